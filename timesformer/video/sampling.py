"""Which frames of a video become a clip: pure index arithmetic, no pixels.

A clip of T frames at rate r spans r * T / target_fps seconds; its T frames are spread evenly over
that span, first and last included, so that the real stride is (span - 1) / (T - 1) frames. Frames
are never resampled to ``target_fps``. All as published (a5ef29a, datasets/decoder.py).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from timesformer.video.timeline import Indices, Timeline

ROUNDING = 1e-3  # of a frame: times are compared up to this
# From what a clip can be shifted by to its start, in frames (fractions are fine) or in seconds.
Placement = Callable[[float], float]


class ClipShape(NamedTuple):
    """Length of a clip: T frames at ``rate`` of a video of ``target_fps`` frames a second."""

    num_frames: int
    rate: int
    target_fps: int

    @property
    def seconds(self) -> float:
        """From the first frame of the clip to the end of its last one."""
        return self.rate * self.num_frames / self.target_fps

    def span(self, fps: float) -> float:
        """Source frames from the first to the last of the clip, both included."""
        return self.seconds * fps


def random_place(fraction: float) -> Placement:
    """A clip at ``fraction`` in [0, 1) of the free range."""
    return lambda free: fraction * free


class Part(NamedTuple):
    """Which of how many parts, as a hashable name of a temporal view."""

    number: int  # from 0
    of: int


def view_part(view: int, num_views: int, placement: str) -> Part:
    """Where temporal view ``view`` of ``num_views`` starts, as a part of the free range.

    ``official`` starts at view / num_views of the free range, as the published code: a single view
    is the beginning of the video, and the last of several stops short of its end. ``paper`` puts a
    single view in the middle and spreads several from the first frame to the last.
    """
    if placement == "official":
        part = Part(view, num_views)
    elif num_views == 1:
        part = Part(1, 2)
    else:
        part = Part(view, num_views - 1)
    return part if part.number else Part(0, 1)  # one name for the beginning


def part_place(part: Part) -> Placement:
    """A clip that starts at ``part`` of the free range."""
    return lambda free: free * part.number / part.of


def view_place(view: int, num_views: int, placement: str) -> Placement:
    """``part_place`` of ``view_part``."""
    return part_place(view_part(view, num_views, placement))


def clip_indices(timeline: Timeline, shape: ClipShape, place: Placement) -> Indices:
    """Indices (T,) into ``timeline.pts`` of one clip; a short video repeats its last frame.

    With a frame count and a duration in the header the clip is placed by time: it starts at the
    first frame not before its start and may run one frame beyond its end. Otherwise (mkv, webm, or
    a header whose times lie beyond the last frame) it is placed by counting frames. A 300-frame
    video at 30 fps, 8 frames at rate 32, placed at 0: 0 36 72 109 145 182 218 255.

    Where frames do not come at a constant rate the clip covers its seconds: see ``_by_seconds``.
    """
    if not timeline.is_even:
        return _by_seconds(timeline, shape, place)
    span = shape.span(timeline.fps)
    if timeline.duration and timeline.header_frames:
        start = place(max(timeline.header_frames - span, 0))
        ticks_per_frame = timeline.duration / timeline.header_frames
        end = int((start + span - 1) * ticks_per_frame)
        kept = _between(timeline, int(start * ticks_per_frame), end)
        if len(kept):
            return kept[_spread(0.0, span, shape.num_frames, len(kept))]
    start = place(max(len(timeline.pts) - span, 0))
    return _spread(start, span, shape.num_frames, len(timeline.pts))


def cut(timeline: Timeline, start: float, end: float) -> tuple[Timeline, int]:
    """The part of a video in [``start``, ``end``) as a video of its own, and its first frame.

    Times are seconds from the first frame; nan is the beginning or the end of the video. The part
    begins at tick 0, its duration reaches to its end or that of the video, and its frames follow
    each other: index i of the part is index first + i of the whole. It may hold no frame.
    """
    return Parts(timeline).cut(start, end)


class Parts:
    """Cuts many parts of one long timeline: what is the same for all is computed once."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline._replace(even=timeline.is_even)
        self.ticks = timeline.pts - timeline.pts[0]
        self.end = int(self.ticks[-1]) + max(
            round(timeline.frame_seconds / timeline.tick_seconds), 1
        )

    def cut(self, start: float, end: float) -> tuple[Timeline, int]:
        """As the function ``cut``."""
        timeline, tick, last = self.timeline, self.timeline.tick_seconds, self.end
        begin = 0 if np.isnan(start) else math.ceil(round(start / tick, 3))
        stop = last if np.isnan(end) else min(math.ceil(round(end / tick, 3)), last)
        first, beyond = np.searchsorted(self.ticks, [begin, stop]).tolist()
        part = timeline._replace(
            pts=self.ticks[first:beyond] - begin,
            header_frames=(beyond - first) if timeline.header_frames else None,
            duration=(stop - begin) if timeline.duration else None,
        )
        return part, first


def segment_indices(
    num_frames: int, num_segments: int, *, offsets: NDArray[np.float64] | None = None
) -> Indices:
    """One frame of each of T equal segments (T,), as SSv2 is sampled (a5ef29a, datasets/ssv2.py).

    Args:
        num_frames: length of the video; a short one repeats frames.
        num_segments: T.
        offsets: position in each segment, (T,) in [0, 1); None: its middle, rounded down.

    Segment i runs from round(s * i) to round(s * (i + 1)), both included, s = (n - 1) / T, rounded
    half to even. 20 frames, T = 8, middle: 1 3 6 8 11 13 15 18.
    """
    length = (num_frames - 1) / num_segments
    borders = np.round(length * np.arange(num_segments + 1)).astype(np.int64)
    first, last = borders[:-1], borders[1:]
    if offsets is None:
        return (first + last) // 2
    return first + (offsets * (last - first + 1)).astype(np.int64)


def segment_view_indices(num_frames: int, num_segments: int, view: int, num_views: int) -> Indices:
    """Test view ``view`` of ``num_views`` of a segment-sampled video, (T,).

    One view takes the middle of each segment, as published. Several divide the segments evenly;
    different on purpose: the published code tested the same frames ``num_views`` times.
    """
    offsets = np.full(num_segments, (view + 0.5) / num_views)
    return segment_indices(num_frames, num_segments, offsets=offsets if num_views > 1 else None)


def _by_seconds(timeline: Timeline, shape: ClipShape, place: Placement) -> Indices:
    """Indices (T,) of the frames that are shown at T times, spread as those of an even video.

    The times reach from the start of the clip to the start of its last frame, so that at a constant
    rate they are those of ``_spread``.
    """
    seconds, frame = timeline.seconds, timeline.frame_seconds
    start = place(max(timeline.duration_seconds - shape.seconds, 0))
    times = start + np.linspace(0, max(shape.seconds - frame, 0), shape.num_frames)
    shown = np.searchsorted(seconds, times + frame * ROUNDING, side="right") - 1
    return np.clip(shown, 0, len(seconds) - 1)


def _between(timeline: Timeline, start: int, end: int) -> Indices:
    """Indices of the frames with ``start`` <= pts, to the first one after ``end``."""
    first, beyond = np.searchsorted(timeline.pts, [start, end + 1]).tolist()
    return np.arange(first, min(beyond + 1, len(timeline.pts)))


def _spread(start: float, span: float, count: int, num_frames: int) -> Indices:
    """``count`` frames from ``start`` over ``span``, both ends included, cut to the video."""
    positions = torch.linspace(start, start + span - 1, count)
    return positions.clamp(0, num_frames - 1).long().numpy()
