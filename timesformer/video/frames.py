"""The frames that were chosen from one video, and the memory that they need.

images   (U, H, W, 3)  uint8 RGB, every chosen frame once
index    (V, T)        which image is frame t of temporal view v
indices  (V, T)        which frame of the video that is
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import psutil

from timesformer.video.remarks import Remark
from timesformer.video.timeline import Indices, Timeline

GIB = 1 << 30

FrameSelector = Callable[[Timeline], Indices]  # timeline -> indices of its frames, (V, T)


class TimeSpan(NamedTuple):
    """Seconds of the whole file: the first and the last frame of all clips, and its length."""

    start_seconds: float
    end_seconds: float
    duration_seconds: float

    def __str__(self) -> str:
        return f"{self.start_seconds:.1f}–{self.end_seconds:.1f} of {self.duration_seconds:.1f} s"


@dataclass(frozen=True)
class Frames:
    """The chosen frames of one video, shapes as in the module docstring."""

    images: np.ndarray
    index: Indices
    indices: Indices
    timeline: Timeline  # of the whole video
    decoded: int = 0  # frames that the decoder made for them
    fallback: str = ""  # why another decoder than the configured device read it
    remarks: tuple[Remark, ...] = ()  # what is unusual about the video

    @property
    def span(self) -> TimeSpan:
        """The seconds that the frames cover."""
        return self.span_of(slice(None))

    def span_of(self, views: slice | list[int]) -> TimeSpan:
        """The seconds that the frames of some temporal views cover."""
        return span_of(self.timeline, self.indices[views])


def span_of(timeline: Timeline, indices: Indices) -> TimeSpan:
    """The seconds that the frames ``indices`` (..., T) of a video cover."""
    seconds = timeline.seconds
    return TimeSpan(
        round(float(seconds[indices.min()]), 3),
        round(float(seconds[indices.max()]), 3),
        round(timeline.duration_seconds, 3),
    )


@dataclass(frozen=True)
class Choice:
    """What a selector chose: ``indices`` and ``index`` as of ``Frames``; ``unique`` (U,), sorted."""

    timeline: Timeline
    indices: Indices
    unique: Indices
    index: Indices

    def frames(self, images: np.ndarray, **others: Any) -> Frames:
        """The ``images`` (U, H, W, 3) of ``unique`` as ``Frames``."""
        return Frames(images, self.index, self.indices, self.timeline, **others)


def choose_frames(timeline: Timeline, select: FrameSelector) -> Choice:
    """Call ``select`` on ``timeline``, and find the frames that are needed."""
    indices = np.asarray(select(timeline))
    unique, index = np.unique(indices, return_inverse=True)
    return Choice(timeline, indices, unique, index.reshape(indices.shape))


def require_memory(count: int, width: int, height: int) -> None:
    """Return if ``count`` frames fit into free memory, as RGB.

    Raises:
        MemoryError: they do not; the message says how to make them smaller.
    """
    needed = 2 * count * width * height * 3  # each by itself, then all as one array
    free = psutil.virtual_memory().available
    if needed > free:
        raise MemoryError(
            f"{count} frames of {width} x {height} pixels need {needed / GIB:.1f} GiB, and "
            f"{free / GIB:.1f} are free; make it smaller: timesformer prepare --resize 256"
        )


def stack(count: int, images: Iterator[np.ndarray]) -> np.ndarray:
    """``count`` images as one array, in the size of the first: a stream may change its size midway."""
    first = next(images)
    height, width = first.shape[:2]
    stacked = np.empty((count, *first.shape), np.uint8)
    stacked[0] = first
    for i, image in enumerate(images, start=1):  # each is freed at once
        if image.shape != first.shape:
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        stacked[i] = image
    return stacked
