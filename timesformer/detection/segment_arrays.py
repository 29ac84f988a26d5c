"""The segments of many videos at once, as ``Segmenter`` finds them: for searches over its rules.

W windows of all videos stand one after the other; S segments are columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from timesformer.detection.rules import SegmentRules
from timesformer.detection.segments import NO_GAP, eligible_scores, joined
from timesformer.detection.smoothing import smooth_runs


@dataclass(frozen=True)
class Windows:
    """Windows in the order of time, video by video, and their scores."""

    video: np.ndarray  # (W,) places of videos, not descending
    starts: np.ndarray  # (W,) seconds, as the next
    ends: np.ndarray
    scores: np.ndarray  # (W, K) float64; nan: the window could not be read
    durations: np.ndarray | None = (
        None  # (videos,) seconds; None: videos end with their last windows
    )

    @cached_property
    def seen(self) -> np.ndarray:
        """(W,) whether a window has scores."""
        return np.asarray(~np.isnan(self.scores[:, 0]))

    @cached_property
    def gaps(self) -> np.ndarray:
        """(W,) whether there is a gap in time before a window, or a video begins."""
        new = np.ones(len(self.video), bool)
        new[1:] = (np.diff(self.video) != 0) | (self.starts[1:] - self.ends[:-1] > NO_GAP)
        return new

    @cached_property
    def begins(self) -> np.ndarray:
        """(W,) whether a run begins: after a gap, and after a window without scores."""
        unseen = ~self.seen
        after = np.append(False, unseen[:-1])[: len(unseen)]
        return np.asarray(self.gaps | unseen | after)

    @cached_property
    def limits(self) -> np.ndarray:
        """(videos, 2) begin and end of each video."""
        limits = np.zeros((int(self.video.max(initial=-1)) + 1, 2))
        limits[self.video[::-1], 0] = self.starts[::-1]
        limits[self.video, 1] = self.ends
        if self.durations is not None:
            limits[:, 1] = self.durations[: len(limits)]
        return limits

    @cached_property
    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        """(W,) begin and end of the time that each window stands for."""
        gaps = self.gaps
        middles = (self.starts + self.ends) / 2
        between = (middles[:-1] + middles[1:]) / 2
        low = np.where(gaps, self.starts, np.append(0.0, between)[: len(gaps)])
        high = np.where(np.append(gaps[1:], True), self.ends, np.append(between, 0.0)[: len(gaps)])
        is_last = np.append(np.diff(self.video) != 0, True)[: len(gaps)]
        high[is_last] = self.limits[self.video[is_last], 1]
        return low, high

    @cached_property
    def sums(self) -> tuple[np.ndarray, np.ndarray]:
        """(W + 1, K) and (W + 1,): scores of the windows before each one, and how many these are."""
        sums = np.append(np.zeros_like(self.scores[:1]), np.nan_to_num(self.scores), axis=0)
        return sums.cumsum(axis=0), np.append(0, self.seen).cumsum()


class Segments(NamedTuple):
    """Segments by class, then video, then time."""

    video: np.ndarray  # (S,)
    label: np.ndarray  # (S,)
    scores: np.ndarray  # (S,)
    times: np.ndarray  # (S, 2) seconds

    def long_enough(self, min_on: float) -> "Segments":
        """Those of at least ``min_on`` seconds."""
        kept = self.times[:, 1] - self.times[:, 0] >= min_on
        return Segments(*(column[kept] for column in self))


def find_all_segments(
    windows: Windows, rules: SegmentRules, class_names: Sequence[str]
) -> Segments:
    """The segments of all videos by ``rules``."""
    shown = np.where(windows.seen[:, None], windows.scores, -np.inf)
    smoothed = smooth_runs(shown, windows.begins, rules.smoothing)
    scores = eligible_scores(smoothed, rules, rules.background_place(class_names))
    return join_runs(windows, active_windows(scores, windows.begins, rules), rules)


def active_windows(scores: np.ndarray, begins: np.ndarray, rules: SegmentRules) -> np.ndarray:
    """(W, K) whether a class is active in a window: hysteresis in each run of windows.

    Args:
        scores: (W, K), smoothed and eligible.
        begins: (W,) whether a run begins.
        rules: of which onset and offset count.
    """
    rises = scores > rules.onset
    decides = rises | (scores < rules.offset) | begins[:, None]
    last = np.maximum.accumulate(
        np.where(decides, np.arange(len(scores))[:, None], 0), axis=0, dtype=np.int64
    )
    active: np.ndarray = np.take_along_axis(rises, last, axis=0)
    return active


def join_runs(windows: Windows, active: np.ndarray, rules: SegmentRules) -> Segments:
    """Segments of the windows where classes are active: padded, gaps filled, short ones left out."""
    begins = windows.begins
    before = np.vstack([np.zeros_like(active[:1]), active[:-1]]) & ~begins[:, None]
    after = np.vstack([active[1:], np.zeros_like(active[:1])])
    after &= ~np.append(begins[1:], True)[:, None]
    label, first = np.nonzero((active & ~before).T)
    _, last = np.nonzero((active & ~after).T)
    low, high = windows.cells
    video = windows.video[first]
    starts, ends = low[first] - rules.pad, high[last] + rules.pad
    same = (label[1:] == label[:-1]) & (video[1:] == video[:-1])
    opens = np.append(True, ~(same & joined(starts[1:] - ends[:-1], rules)))[: len(label)]
    closes = np.append(opens[1:], True)[: len(label)]
    first, last, video, label = first[opens], last[closes], video[opens], label[opens]
    limits = windows.limits
    times = np.stack(
        [np.maximum(starts[opens], limits[video, 0]), np.minimum(ends[closes], limits[video, 1])], 1
    )
    sums, counts = windows.sums
    scores = (sums[last + 1, label] - sums[first, label]) / (counts[last + 1] - counts[first])
    return Segments(video, label, scores, times).long_enough(rules.min_on)
