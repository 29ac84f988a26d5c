"""What random augmentation did to a clip, in words; recording it changes nothing."""

import contextlib
from collections.abc import Callable, Iterator
from unittest import mock

import numpy as np
from torch import Tensor
from torchvision.transforms import v2

from timesformer.datasets import augment as augmentation
from timesformer.datasets.augment import Augment, unchanged


def describe_augment(
    clip: Tensor, rng: np.random.Generator, *, augment: Augment, captions: list[str]
) -> Tensor:
    """``clip`` augmented; what was drawn for it is added to ``captions``."""
    if augment is unchanged:
        captions.append("")
        return clip
    with recorded() as calls:
        clip = augment(clip, rng)
    captions.append(", ".join(calls) or "nothing drawn")
    return clip


@contextlib.contextmanager
def recorded() -> Iterator[list[str]]:
    """What torchvision's transforms do while this lasts, in words."""
    calls: list[str] = []

    def watch(owner: object, name: str, words: Callable[..., str]) -> None:
        original = getattr(owner, name)

        def watched(*positional: object, **named: object) -> object:
            calls.extend(filter(None, [words(*positional, **named)]))
            return original(*positional, **named)

        stack.enter_context(mock.patch.object(owner, name, watched))

    with contextlib.ExitStack() as stack:
        for auto in (v2.RandAugment, v2.TrivialAugmentWide):
            watch(auto, "_apply_image_or_video_transform", _operation)  # has no public name
        watch(v2.ColorJitter, "transform", lambda _, clip, params: _jitter(params))
        watch(v2.RandomGrayscale, "transform", lambda *_: "grey")
        watch(v2.RandomErasing, "transform", lambda _, clip, params: _erasing(params))
        watch(augmentation, "gaussian_blur", lambda _, sigma: f"blur {sigma:.1f} px")
        yield calls


def _operation(_: object, clip: Tensor, name: str, magnitude: float, **__: object) -> str:
    return f"{name} {magnitude:.2g}" if magnitude else name


def _jitter(params: dict[str, float | None]) -> str:
    names = ("brightness", "contrast", "saturation", "hue")
    values = [(name, params[f"{name}_factor"]) for name in names]
    return ", ".join(f"{name} {value:.2f}" for name, value in values if value is not None)


def _erasing(params: dict[str, int | None]) -> str:
    if params["v"] is None:
        return ""
    return f"erased {params['h']} x {params['w']} at ({params['i']}, {params['j']})"
