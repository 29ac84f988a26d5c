"""Augmented training clips: torchvision's transforms, one draw for all frames of a clip.

clip    (3, T, H, W)   uint8 RGB, cut and flipped, not yet normalised
frames  (T, 3, H, W)   uint8 RGB, as torchvision takes a video: one draw for the whole tensor

torchvision draws from torch's global generator, so it is seeded for each clip from the generator of
the sample (seed, epoch, video) and put back: a clip is the same on any number of workers and
processes. Everything runs in the loader's processes, on uint8 and before the copy to a GPU, because
the reading of the clip takes longer: CPU milliseconds for 8 x 224 x 224 on one core: reading 23 to 190
(six real videos, mean 107), grey and erasing 1, trivialaugment 4, blur 5, brightness, contrast and
saturation 6, these with hue 28, randaugment of two operations 8.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from timesformer.config import CfgNode
from timesformer.tables import choose

Transform = Callable[[Tensor], Tensor]  # frames -> frames
Augment = Callable[[Tensor, np.random.Generator], Tensor]  # clip, rng -> clip

BLUR_SIGMA = (0.1, 2.0)  # pixels; SimCLR, as most after it
BLUR_KERNEL = (13, 13)  # three of the largest standard deviations to each side
LARGEST_SEED = 2**63


def build_augment(cfg: CfgNode) -> Augment:
    """What the AUG section asks for, in its order; ``unchanged`` if that is nothing."""
    aug = cfg.AUG
    chances = (aug.GRAYSCALE_PROB, aug.BLUR_PROB, aug.ERASING_PROB)
    if not (aug.AUTO_AUGMENT or any(aug.COLOR_JITTER) or any(chances)):
        return unchanged
    from torchvision.transforms import v2  # takes seconds, and most runs need none of it

    mean = cfg.DATA.MEAN[::-1] if cfg.DATA.REVERSE_INPUT_CHANNEL else cfg.DATA.MEAN
    fill = mean_pixel(mean)
    steps = choose(AUTO_AUGMENT, aug.AUTO_AUGMENT, key="AUG.AUTO_AUGMENT")(
        aug.RAND_AUGMENT_NUM_OPS, aug.RAND_AUGMENT_MAGNITUDE, fill
    )
    if any(aug.COLOR_JITTER):
        steps.append(v2.ColorJitter(*aug.COLOR_JITTER))
    if aug.GRAYSCALE_PROB:
        steps.append(v2.RandomGrayscale(aug.GRAYSCALE_PROB))
    if aug.BLUR_PROB:
        steps.append(v2.RandomApply([random_blur], p=aug.BLUR_PROB))
    if aug.ERASING_PROB:
        steps.append(v2.RandomErasing(aug.ERASING_PROB, value=fill))
    return OneDraw(v2.Compose(steps))


def unchanged(clip: Tensor, rng: np.random.Generator) -> Tensor:
    """``clip`` itself; draws nothing."""
    return clip


@dataclass(frozen=True)
class OneDraw:
    """A transform of whole clips that draws from the generator of the sample."""

    transform: Transform

    def __call__(self, clip: Tensor, rng: np.random.Generator) -> Tensor:
        frames = rearrange(clip, "c t h w -> t c h w")
        with torch.random.fork_rng(devices=[]):
            # not torch.manual_seed: that would reseed a GPU, which this clip never sees
            torch.default_generator.manual_seed(int(rng.integers(LARGEST_SEED)))
            frames = self.transform(frames)
        return rearrange(frames, "t c h w -> c t h w").contiguous()


def random_blur(frames: Tensor) -> Tensor:
    """Gaussian blur of a standard deviation drawn from torch's generator."""
    return gaussian_blur(frames, sigma=torch.empty(1).uniform_(*BLUR_SIGMA).item())


def gaussian_blur(frames: Tensor, *, sigma: float) -> Tensor:
    """(T, 3, H, W) uint8 -> the same, by OpenCV: 4 ms a clip where torchvision takes 70."""
    images = rearrange(frames, "t c h w -> t h w c").contiguous().numpy()
    blurred = np.stack([cv2.GaussianBlur(image, BLUR_KERNEL, sigma) for image in images])
    return rearrange(torch.from_numpy(blurred), "t h w c -> t c h w")


def mean_pixel(mean: Sequence[float]) -> list[int]:
    """R, G, B, 0 .. 255, that are about 0 once normalised: what takes the place of lost pixels."""
    return [round(255 * value) for value in mean]


def _randaugment(num_ops: int, magnitude: int, fill: list[int]) -> list[Transform]:
    from torchvision.transforms import v2

    return [v2.RandAugment(num_ops, magnitude, fill=fill)]


def _trivialaugment(num_ops: int, magnitude: int, fill: list[int]) -> list[Transform]:
    from torchvision.transforms import v2

    return [v2.TrivialAugmentWide(fill=fill)]


# AUG.AUTO_AUGMENT -> from operations, their magnitude and the colour of lost pixels to transforms
AUTO_AUGMENT: dict[str, Callable[[int, int, list[int]], list[Transform]]] = {
    "": lambda *_: [],
    "randaugment": _randaugment,
    "trivialaugment": _trivialaugment,
}
