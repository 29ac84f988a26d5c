"""The frames of a video in the decoder's order, and when each is shown.

A frame is its place in the decoder's output, 0 .. N - 1. Its time is an attribute. Containers give
times that repeat, jump back, are missing, or are those of decoding. No frame is lost or merged for that:
``pts`` always increases.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]  # of frames: their places in the decoder's output

DEFAULT_FPS = 30.0  # of a stream that names no rate
REORDER = 16  # frames by which decoders reorder at most; a larger step back is a restart
FAR_SECONDS = 1.0  # a first time beyond it is an offset of the recording, not of the decoder
HEADER_SLACK = 2.0  # frames: the duration of a header counts as published if it is off by no more
FINE_TICK = 1e-6  # seconds, of times that had to be corrected


class Timeline(NamedTuple):
    """The frames of one video that are shown, in order.

    ``pts`` (N,) int64 holds the time of every frame in ticks of ``tick_seconds``, strictly
    increasing. ``header_frames`` and ``duration`` (ticks) are those of the shown frames, and None
    where the container stores no such numbers: clips are then placed by counting frames, as
    published. ``promised`` is the number of frames that header or packets promise. ``even`` says
    whether no frame is more than half a frame away from its place at ``fps``; None: see ``is_even``.
    """

    pts: np.ndarray
    fps: float
    header_frames: int | None = None
    duration: int | None = None
    tick_seconds: float = 0.0
    promised: int | None = None
    even: bool | None = None

    @property
    def seconds(self) -> NDArray[np.float64]:
        """Time of each frame after the first one, (N,)."""
        if not len(self.pts):
            return np.zeros(0)
        seconds: NDArray[np.float64] = (self.pts - self.pts[0]) * self._tick()
        return seconds

    @property
    def frame_seconds(self) -> float:
        """How long a frame is shown, usually."""
        steps = np.diff(self.pts)
        return float(np.median(steps)) * self._tick() if len(steps) else 1 / self.fps

    @property
    def duration_seconds(self) -> float:
        """From the first frame to the end of the last one."""
        return float(self.seconds[-1]) + self.frame_seconds if len(self.pts) else 0.0

    @property
    def is_even(self) -> bool:
        """Whether frames come at a constant rate."""
        return is_even(self.seconds, self.fps) if self.even is None else self.even

    def _tick(self) -> float:
        if self.tick_seconds:
            return self.tick_seconds
        if self.duration and self.header_frames:
            return self.header_frames / self.fps / self.duration
        return 1 / self.fps


class StreamHeader(NamedTuple):
    """What a container says of its video stream; 0 where it says nothing."""

    frames: int = 0
    duration: int = 0  # ticks
    fps: float = 0.0  # average
    nominal_fps: float = 0.0  # of the codec's header, where frames have no times
    tick_seconds: float = 0.0
    has_times: bool = True  # False: it stores times of decoding, as AVI does


def from_pts(pts: np.ndarray, header: StreamHeader, *, promised: int) -> Timeline:
    """The timeline of shown frames with sound times: ``pts`` (N,) strictly increasing ticks."""
    pts = pts.astype(np.int64)
    tick = header.tick_seconds
    if len(pts) and abs(int(pts[0])) * tick > FAR_SECONDS:
        pts = pts - pts[0]
    timeline = Timeline(pts, header.fps or DEFAULT_FPS, tick_seconds=tick, promised=promised)
    fps = _rate(timeline.seconds, timeline.fps)
    timeline = timeline._replace(fps=fps, even=is_even(timeline.seconds, fps))
    if not (header.frames and header.duration and len(pts)):
        return timeline
    shown = round(timeline.duration_seconds / tick)
    off = abs(header.duration - shown) * tick * fps
    is_true = header.frames == len(pts) and off <= HEADER_SLACK
    return timeline._replace(header_frames=len(pts), duration=header.duration if is_true else shown)


def from_decoder(times: Sequence[int | None], header: StreamHeader, *, promised: int) -> Timeline:
    """The timeline of frames in the decoder's order, with the times that came with them."""
    has_any = any(time is not None for time in times)
    fps = (header.fps if has_any else header.nominal_fps) or header.fps or DEFAULT_FPS
    tick = header.tick_seconds or 1 / fps
    header = header._replace(tick_seconds=tick, fps=fps)
    ticks = increasing(times, 1 / fps / tick, reordered=not header.has_times)
    pts = np.rint(ticks).astype(np.int64)
    if not np.array_equal(pts, ticks):
        pts = np.rint(ticks * (tick / FINE_TICK)).astype(np.int64)
        duration = round(header.duration * tick / FINE_TICK)
        header = header._replace(tick_seconds=FINE_TICK, duration=duration)
    return from_pts(pts, header, promised=promised)


def increasing(times: Sequence[int | None], step: float, *, reordered: bool) -> np.ndarray:
    """(N,) float64 strictly increasing ticks for frames in order, near the ``times`` they came with.

    Args:
        times: of the frames, in ticks; None where there is none.
        step: ticks of a frame at the nominal rate.
        reordered: times may be those of decoding, as of packets: if they jump back, they say nothing of
            when a frame is shown, and all frames get those of the nominal rate.

    A missing time is one step after its predecessor (before its successor, at the beginning). After
    a restart times continue one step after the latest frame. Frames that share a time, or are a
    little out of order, are spread up to the next later one.
    """
    ticks = np.array([np.nan if time is None else time for time in times], dtype=np.float64)
    known = np.flatnonzero(~np.isnan(ticks))
    if not len(known) or (reordered and np.any(np.diff(ticks[known]) < 0)):
        return np.arange(len(ticks)) * step
    ticks[: known[0]] = ticks[known[0]] + step * np.arange(-known[0], 0)
    offset, latest = 0.0, -np.inf
    for i, time in enumerate(ticks):
        if np.isnan(time):
            ticks[i] = latest + step
        else:
            if time + offset < latest - REORDER * step:
                offset = latest + step - time
            ticks[i] = time + offset
        latest = max(latest, ticks[i])
    return _spread(ticks, step)


def is_even(seconds: np.ndarray, fps: float) -> bool:
    """Whether every frame is within half a frame of its place at ``fps``."""
    places = np.arange(len(seconds)) / fps
    return bool(np.all(np.abs(seconds - places) * fps <= 0.5 + 1e-6))


def _spread(ticks: np.ndarray, step: float) -> np.ndarray:
    """``ticks`` (one at least); frames that are not later than all before them go between others."""
    highest = np.maximum.accumulate(ticks)
    anchors = np.concatenate([[0], np.flatnonzero(np.diff(highest) > 0) + 1])
    beyond = len(ticks)  # one step beyond for each frame after the last anchor
    places = np.append(anchors, beyond)
    values = np.append(highest[anchors], highest[-1] + step * (beyond - anchors[-1]))
    spread: np.ndarray = np.interp(np.arange(len(ticks)), places, values)
    return spread


def _rate(seconds: np.ndarray, claimed: float) -> float:
    """Frames a second: as claimed where the frames agree, else what they have on average."""
    if len(seconds) < 2 or is_even(seconds, claimed):
        return claimed
    return (len(seconds) - 1) / float(seconds[-1])
