"""Frames to clips: where the crops of a video lie, and the pixels in them."""

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from timesformer.datasets import transforms
from timesformer.datasets.views import Spatials
from timesformer.video import Frames, VideoError

Crops = list[list[transforms.Spatial]]  # of each temporal view


def place_crops(frames: Frames, spatials: Spatials) -> Crops:
    """The crops of each temporal view.

    Raises:
        VideoError: the frames have no area.
    """
    height, width = frames.images.shape[1:3]
    if min(height, width) < 2:
        raise VideoError(f"frames of {height} x {width} pixels; remove the video from the list")
    return [spatials(height, width) for _ in frames.index]


def cut_clips(
    frames: Frames,
    crops: Crops,
    *,
    reverse_channels: bool,
    augment: Callable[[Tensor], Tensor] = lambda clip: clip,
) -> Tensor:
    """Every crop of every temporal view, augmented as RGB, (views * crops, 3, T, S, S) uint8."""

    @functools.cache
    def scaled(image: int, short_side: int) -> np.ndarray:
        return transforms.scale(frames.images[image], short_side)

    size = crops[0][0].crop
    num_clips = sum(map(len, crops))
    stacked = torch.empty((num_clips, 3, frames.index.shape[1], size, size), dtype=torch.uint8)
    places = [(view, crop) for view, row in zip(frames.index, crops, strict=True) for crop in row]
    for clip, (view, crop) in zip(stacked, places, strict=True):
        images = [scaled(image, crop.short_side) for image in view.tolist()]
        clip.copy_(augment(transforms.cut(images, crop, out=clip)))
    return stacked.flip(1) if reverse_channels else stacked
