"""Which seconds of a video its clips show."""

from typing import NamedTuple

import numpy as np

from timesformer.video.reader import Select
from timesformer.video.sampling import Timeline


class Span(NamedTuple):
    """Seconds of the whole file: the first and the last frame of all clips, and its length."""

    start_seconds: float
    end_seconds: float
    duration_seconds: float

    def __str__(self) -> str:
        return f"{self.start_seconds:.1f}–{self.end_seconds:.1f} of {self.duration_seconds:.1f} s"


def span_of(timeline: Timeline, indices: np.ndarray) -> Span:
    """What the frames at ``indices`` (of any shape) cover; the last frame lasts as long as others."""
    seconds = timeline.seconds
    return Span(
        round(float(seconds[indices.min()]), 3),
        round(float(seconds[indices.max()]), 3),
        round(timeline.duration_seconds, 3),
    )


class Noted:
    """A ``select`` that keeps the span of what it chose last."""

    def __init__(self, select: Select) -> None:
        self.select = select
        self.span: Span | None = None

    def __call__(self, timeline: Timeline) -> np.ndarray:
        indices = np.asarray(self.select(timeline))
        self.span = span_of(timeline, indices)
        return indices
