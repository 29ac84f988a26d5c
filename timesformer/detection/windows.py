"""The windows of a long video: [k * stride, k * stride + span) seconds, and the frames of each.

A window has the frames of the list row ``path label start end`` of one view. A tail of the video that is
shorter than a stride is in no window of its own; a video that is shorter than a window is one window.
"""

import hashlib
from typing import NamedTuple

import numpy as np

from timesformer.video.frames import FrameSelector
from timesformer.video.sampling import Parts
from timesformer.video.timeline import Indices, Timeline

_SLACK = 1e-6  # seconds: sums of floats are compared up to this


class Grid(NamedTuple):
    """Length and distance of windows in seconds."""

    span: float
    stride: float

    def fits(self, duration: float) -> bool:
        """Whether a video of ``duration`` seconds is as long as a window."""
        return self.span <= duration + _SLACK

    def count(self, duration: float) -> int:
        """Windows of a video of ``duration`` seconds, at least 1."""
        return max(int(np.floor((duration - self.span) / self.stride + _SLACK)) + 1, 1)

    def starts(self, duration: float) -> np.ndarray:
        """(W,) seconds."""
        return np.arange(self.count(duration)) * self.stride


class Windows(NamedTuple):
    """W windows of one video: their times (W, 2) in seconds and frames (W, T)."""

    times: np.ndarray
    indices: Indices

    @property
    def digest(self) -> str:
        """Of times and frames: scores of other windows do not count."""
        return hashlib.sha256(self.times.tobytes() + self.indices.tobytes()).hexdigest()


def window_frames(timeline: Timeline, grid: Grid, select: FrameSelector) -> Windows:
    """The windows of ``grid``; ``select`` chooses the frames (1, T) of a part of the video.

    A window in which no frame is shown takes the frame before it.
    """
    starts = grid.starts(timeline.duration_seconds)
    times = np.stack([starts, starts + grid.span], axis=1)
    parts = Parts(timeline)
    rows = []
    for start, end in times.tolist():
        part, first = parts.cut(start, end)
        if len(part.pts):
            rows.append(select(part)[0] + first)
        else:
            rows.append(np.full_like(rows[-1], max(first - 1, 0)))
    return Windows(times, np.stack(rows))
