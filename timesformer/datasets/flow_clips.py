"""Clips of optical flow: which fields stand for a frame, where they come from, and how they are cut.

Field i is the motion from frame i to frame i + 1. At frame i of a clip stand the fields i, i + 1, ...,
i + L - 1, as in two-stream networks; none beyond the last field of the video, or of its part in the list.

rows    (V, T, 1 + L)       frame numbers: the frame of the clip, and its fields
fields  (U, H, W, 2)        uint8, see ``video.flow``
clip    (2 L, T, S, S)      uint8; channels are x and y of the first field, x and y of the second, ...

A flip turns x round. What scales a field scales its vectors too: they are pixels of the clip.
"""

import functools
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor

from timesformer.datasets.transforms import Crop, Crops, scaled_size
from timesformer.video import Frames, FrameSelector, VideoError
from timesformer.video.flow import ZERO, FieldMaker, FlowSettings
from timesformer.video.timeline import Indices, Timeline

ReadFrames = Callable[[FrameSelector], Frames]  # of one video


def stacked(select: FrameSelector, num_fields: int) -> FrameSelector:
    """From a selector of frames (V, T) to one of rows, of ``num_fields`` fields each."""

    def rows(timeline: Timeline) -> Indices:
        frames = select(timeline)[..., None]
        last = max(len(timeline.pts) - 2, 0)
        return np.concatenate([frames, np.minimum(frames + np.arange(num_fields), last)], axis=-1)

    return rows


def compute_fields(
    read: ReadFrames, settings: FlowSettings, *, weights: str = "", name: str = ""
) -> ReadFrames:
    """From a reader of RGB frames to one of the fields between them, which takes a selector of rows.

    ``name`` is that of the video, for messages.

    Raises, when called:
        VideoError: the video has a single frame.
    """

    def fields(select: FrameSelector) -> Frames:
        frames = read(lambda timeline: with_next(timeline, select(timeline), name))
        return fields_between(frames, FieldMaker(settings, weights=weights))

    return fields


def fields_between(frames: Frames, maker: FieldMaker) -> Frames:
    """The fields between RGB frames that were chosen by ``with_next``."""
    numbers, _ = np.split(frames.indices[..., 1:], 2, axis=-1)
    firsts, seconds = np.split(frames.index[..., 1:], 2, axis=-1)
    _, at, index = np.unique(numbers, return_index=True, return_inverse=True)
    prepared = functools.cache(lambda image: maker.prepare(frames.images[image]))
    pairs = zip(firsts.flat[at].tolist(), seconds.flat[at].tolist(), strict=True)
    made = [maker.between(prepared(first), prepared(second)) for first, second in pairs]
    return replace(
        frames,
        images=np.stack(made),
        index=index.reshape(numbers.shape),
        indices=frames.indices[..., 0],
    )


def with_next(timeline: Timeline, rows: Indices, name: str) -> Indices:
    """(V, T, 1 + 2 L): the frames, the first frames of their fields, and the second ones."""
    fields = within(timeline, rows[..., 1:], name)
    return np.concatenate([rows[..., :1], fields, fields + 1], axis=-1)


def within(timeline: Timeline, fields: Indices, name: str) -> Indices:
    """The ``fields`` that the whole video ``name`` has.

    Raises:
        VideoError: it has none.
    """
    if len(timeline.pts) < 2:
        raise VideoError(
            f"{name or 'the video'}: a single frame has no optical flow; remove it from the list"
        )
    return np.minimum(fields, len(timeline.pts) - 2)


def cut_flow(
    frames: Frames, crops: Crops, *, frame_size: tuple[int, int] | None = None, **_: object
) -> Tensor:
    """Every crop of every temporal view, (views * crops, 2 L, T, S, S) uint8.

    ``frame_size``: height and width of the frames that the crops are of, where fields are smaller.
    """
    height, width = frame_size or frames.images.shape[1:3]

    @functools.cache
    def scaled(field: int, short_side: int) -> np.ndarray:
        return scale_field(frames.images[field], scaled_size(height, width, short_side))

    _, num_frames, num_fields = frames.index.shape
    size, num_clips = crops[0][0].size, sum(map(len, crops))
    clips = np.empty((num_clips, num_frames, num_fields, 2, size, size), np.uint8)
    places = [(view, crop) for view, row in zip(frames.index, crops, strict=True) for crop in row]
    for clip, (view, crop) in zip(clips, places, strict=True):
        for t, numbers in enumerate(view.tolist()):
            for i, number in enumerate(numbers):
                clip[t, i] = cut_field(scaled(number, crop.short_side), crop)
    planes = torch.from_numpy(clips).flatten(2, 3)  # (clips, T, 2 L, S, S)
    return planes.transpose(1, 2).contiguous()


def scale_field(field: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A field (H, W, 2) in another size as (2, H', W'), its vectors in pixels of that size."""
    (old_height, old_width), (height, width) = field.shape[:2], size
    if (height, width) == (old_height, old_width):
        return field.transpose(2, 0, 1)
    planes = np.empty((2, height, width), np.uint8)
    factors = width / old_width, height / old_height
    for plane, old, factor in zip(planes, cv2.split(field), factors, strict=True):
        larger = cv2.resize(old.astype(np.float32), (width, height))  # bilinear
        around_zero = ZERO - ZERO * factor
        cv2.addWeighted(larger, factor, larger, 0, around_zero, dst=plane, dtype=cv2.CV_8U)
    return planes


def cut_field(field: np.ndarray, crop: Crop) -> np.ndarray:
    """The crop of a scaled field (2, H, W); a flip turns x round."""
    rows = slice(crop.top, crop.top + crop.size)
    columns = slice(crop.left, crop.left + crop.size)
    window = field[:, rows, columns]
    if not crop.flip:
        return window
    flipped = window[:, :, ::-1].copy()
    flipped[0] = turned(flipped[0])
    return flipped


def turned(values: np.ndarray) -> np.ndarray:
    """The opposite motion; the fastest negative one, 0, becomes the fastest positive one, 255."""
    opposite: np.ndarray = ZERO - (np.maximum(values, 1).astype(np.int16) - ZERO)
    return opposite.astype(np.uint8)


def normalize_flow(clips: Tensor) -> Tensor:
    """uint8 clips -> float32: no motion is 0, and a motion of the bound is 1 or -1, as published."""
    return (clips.float() - ZERO) / ZERO
