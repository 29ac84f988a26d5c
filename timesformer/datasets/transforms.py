"""Frames to clips: scale, crop, flip. Draws come from generators that are passed in.

image   (H, W, 3)      uint8 RGB, as decoded
planes  (3, H, W)      the same, scaled: every crop of it copies whole rows
clip    (3, T, H, W)   uint8; float only after ``normalize``, on the device
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from timesformer.video import Frames, VideoError


class Crop(NamedTuple):
    """Scale the short side to ``short_side``, cut a square of ``size`` at (top, left), maybe flip it."""

    short_side: int
    top: int
    left: int
    size: int
    flip: bool = False


Crops = list[list[Crop]]  # of each temporal view
CropSampler = Callable[[int, int], list[Crop]]  # (H, W) -> the crops of one temporal view


def sample_crops(frames: Frames, sampler: CropSampler) -> Crops:
    """The crops of each temporal view, now that the size of the frames is known.

    Raises:
        VideoError: the frames have no area.
    """
    height, width = frames.images.shape[1:3]
    if min(height, width) < 2:
        raise VideoError(f"frames of {height} x {width} pixels; remove the video from the list")
    return [sampler(height, width) for _ in frames.index]


def scaled_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """(height, width) with the short side scaled, the long one rounded down, as published."""
    if min(height, width) == short_side:
        return height, width
    if height <= width:
        return short_side, math.floor(width / height * short_side)
    return math.floor(height / width * short_side), short_side


def random_short_side(
    smallest: int, largest: int, rng: np.random.Generator, *, inverse: bool
) -> int:
    """Short side drawn uniformly in size, or in 1 / size where ``inverse``, as published."""
    if inverse:
        return round(1.0 / rng.uniform(1.0 / largest, 1.0 / smallest))
    return round(rng.uniform(smallest, largest))


def random_crop(
    height: int,
    width: int,
    *,
    jitter: tuple[int, int],
    size: int,
    flip: bool,
    inverse: bool,
    rng: np.random.Generator,
) -> Crop:
    """A random scale, crop and flip for frames of ``height`` x ``width``, as published.

    Different on purpose: the last possible offset of the crop is drawn too; the published code left
    it out.
    """
    short_side = random_short_side(*jitter, rng, inverse=inverse)
    scaled = scaled_size(height, width, short_side)
    top, left = (int(rng.integers(0, length - size, endpoint=True)) for length in scaled)
    return Crop(short_side, top, left, size, flip=flip and bool(rng.random() < 0.5))


def uniform_crop(height: int, width: int, *, short_side: int, size: int, index: int) -> Crop:
    """Crop ``index`` of three along the longer side: start (0), centre (1) or end (2).

    As published: centre offsets are rounded up; a square frame counts as wide.
    """
    scaled_height, scaled_width = scaled_size(height, width, short_side)
    top, left = math.ceil((scaled_height - size) / 2), math.ceil((scaled_width - size) / 2)
    if index != 1 and scaled_height > scaled_width:
        top = 0 if index == 0 else scaled_height - size
    elif index != 1:
        left = 0 if index == 0 else scaled_width - size
    return Crop(short_side, top, left, size)


def scale(image: np.ndarray, short_side: int) -> np.ndarray:
    """(H, W, 3) uint8 -> planes (3, H', W') uint8, bilinear without antialiasing, as published.

    The published code scales after normalising, in float: the results differ by rounding alone.
    OpenCV, because torch rounds up twice when it halves uint8 images; and not swscale while it
    converts to RGB, because that takes longer: 0.60 ms for a 340 x 256 frame to 297 x 224 against
    0.12 + 0.11, 0.93 against 0.34 + 0.22 for 1280 x 720 (FFmpeg 8, bilinear).
    """
    height, width = scaled_size(image.shape[0], image.shape[1], short_side)
    if (height, width) != image.shape[:2]:
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    planes = np.empty((3, height, width), np.uint8)
    cv2.split(image, list(planes))
    return planes


def cut(images: Sequence[np.ndarray], crop: Crop, *, out: Tensor | None = None) -> Tensor:
    """The crop of T scaled images, each (3, H', W'), as a clip (3, T, size, size), in ``out``."""
    rows = slice(crop.top, crop.top + crop.size)
    columns = slice(crop.left, crop.left + crop.size)
    size = (3, len(images), crop.size, crop.size)
    clip = torch.empty(size, dtype=torch.uint8) if out is None else out
    for frame, image in zip(clip.numpy().swapaxes(0, 1), images, strict=True):
        window = image[:, rows, columns]
        frame[...] = window[..., ::-1] if crop.flip else window
    return clip


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
        return scale(frames.images[image], short_side)

    size, num_clips = crops[0][0].size, sum(map(len, crops))
    stacked = torch.empty((num_clips, 3, frames.index.shape[1], size, size), dtype=torch.uint8)
    places = [(view, crop) for view, row in zip(frames.index, crops, strict=True) for crop in row]
    for clip, (view, crop) in zip(stacked, places, strict=True):
        images = [scaled(image, crop.short_side) for image in view.tolist()]
        clip.copy_(augment(cut(images, crop, out=clip)))
    return stacked.flip(1) if reverse_channels else stacked


def normalize(clips: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """(..., 3, T, H, W) uint8 -> float32, (x / 255 - mean) / std for each channel.

    By numbers and not by tensors of them: to copy these to a GPU would wait for all that it has to do.
    """
    normal = clips / 255
    for channel, (offset, scale) in enumerate(zip(mean, std, strict=True)):
        normal.select(-4, channel).sub_(offset).div_(scale)
    return normal
