"""From a clip to the input of a network of another kind: pure index arithmetic, by a name.

clip       (B, C, T, H, W)   float, normalised
frames     (B * T, C, H, W)  frames as images
clip+flow  [(B, 3, T, H, W), (B, 2 L, T, H, W)]   colours and optical flow
slow_fast  [(B, C, T / 4, H, W), (B, C, T, H, W)]   two rates of the same seconds
"""

from collections.abc import Callable
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from timesformer.models.classifier import RGB

ALPHA = 4  # frames of the fast pathway for each of the slow one, in all published SlowFast models


def clip(x: Tensor) -> Tensor:
    """The clip itself."""
    return x


def frames(x: Tensor) -> Tensor:
    """Frames as images, those of a clip one after the other."""
    return rearrange(x, "b c t h w -> (b t) c h w")


def frames_first(x: Tensor) -> Tensor:
    """(B, T, C, H, W), as the video models of transformers take clips."""
    return x.transpose(1, 2)


def slow_fast(x: Tensor) -> list[Tensor]:
    """Every fourth frame, and all; the slow frames reach from the first to the last, as published.

    Raises:
        ValueError: the number of frames is not a multiple of 4.
    """
    num_frames = x.shape[2]
    if num_frames % ALPHA:
        raise ValueError(f"{num_frames} frames, but SlowFast needs a multiple of {ALPHA}")
    chosen = torch.linspace(0, num_frames - 1, num_frames // ALPHA, device="cpu").long().tolist()
    return [torch.stack([x[:, :, t] for t in chosen], dim=2), x]


def clip_and_flow(x: Tensor) -> list[Tensor]:
    """R, G and B, and the channels of optical flow, of clips of both."""
    return [x[:, :RGB], x[:, RGB:]]


LAYOUTS: dict[str, Callable[[Tensor], Any]] = {
    "clip": clip,
    "frames": frames,
    "frames_first": frames_first,
    "slow_fast": slow_fast,
    "clip+flow": clip_and_flow,
}
