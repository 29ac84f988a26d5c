"""Scores of windows in time to segments, fed one by one: the same for a file and for a stream.

A window stands for the time that is nearer to its middle than to that of any other window; the first
and the last one of a run reach to their ends. A class begins with the time of a window whose score is
above ``onset``, and ends before that of the next one whose score is below ``offset``. The score of a
segment is the mean of the scores, not smoothed, of the windows from its first to its last one.

Where windows leave a gap in time, or a window has no scores (nan: a part that cannot be read), all
classes end, and after it each one has to rise above ``onset`` again; a gap shorter than ``min_off`` is
filled as any other.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from timesformer.detection.results import Detection
from timesformer.detection.rules import SegmentRules
from timesformer.detection.smoothing import Smoother
from timesformer.errors import InputError

NO_GAP = 1e-6  # seconds between windows that follow each other


class ScoresError(InputError, ValueError):
    """Scores that are none, or windows that go back in time."""


class Event(NamedTuple):
    """What has become known.

    ``start``: a class has begun; ``end``: its segment is final; ``withdrawn``: it has turned out to be
    shorter than ``min_on``.
    """

    kind: Literal["start", "end", "withdrawn"]
    label: str
    start: float  # seconds
    end: float | None  # None of a start
    score: float  # mean so far; of a start that of its first window
    known_at: float  # seconds: the end of the last window that had been fed


class _Window(NamedTuple):
    begins: float  # of the time it stands for
    middle: float
    end: float
    scores: np.ndarray  # (K,) float64


class Segmenter:
    """A machine that is fed windows in the order of time, and says what begins and ends.

    Args:
        class_names: K.
        rules: see ``rules``; a RulesError if there is no such background class.
    """

    def __init__(self, class_names: Sequence[str], rules: SegmentRules) -> None:
        self._names = tuple(class_names)
        self._rules = rules
        self._background = rules.background_place(class_names)
        self._newest: _Window | None
        self._reset()

    @property
    def active(self) -> set[str]:
        """The classes that have begun and not ended, those without a segment that is final included."""
        return {self._names[place] for place in np.flatnonzero(self._active)}

    def feed(self, start: float, end: float, probabilities: np.ndarray) -> list[Event]:
        """What is known with one more window.

        Args:
            start: of the window, seconds.
            end: of the window, after its start.
            probabilities: (K,) scores of the classes; all nan: the window could not be read.

        Raises:
            ScoresError: other scores, or a window that is not later than the one before.
        """
        scores = np.asarray(probabilities, np.float64)
        self._check(start, end, scores)
        window = self._window(start, end, scores)
        before, is_seen = self._newest, not np.isnan(scores[0])
        events: list[Event] = []
        if before is not None and (not is_seen or start - before.end > NO_GAP):
            events = self._end_run(min(before.end, window.begins), end)
        self._newest = window
        if is_seen:
            self._waiting.append(window)
            smoothed = self._smoother.feed(scores)
            events += [] if smoothed is None else self._advance(smoothed)
        return events

    def close(self, end: float | None = None) -> list[Event]:
        """What is known when no window comes any more; the machine is as new then.

        Args:
            end: of the video, up to which the last window stands; default: the end of that window.
        """
        if self._newest is None:
            return []
        last = self._newest.end if end is None else end
        events = self._end_run(last, last)
        events += self._finish(np.flatnonzero(self._open), limit=last, now=last)
        self._reset()
        return events

    def _reset(self) -> None:
        self._smoother = Smoother(self._rules.smoothing)
        self._waiting: deque[_Window] = deque()  # fed, not smoothed yet
        self._newest = None
        self._first = 0.0
        size = len(self._names)
        self._active = np.zeros(size, bool)  # the class has begun and not ended
        self._open = np.zeros(size, bool)  # there is a segment that is not final
        self._starts, self._ends = np.zeros(size), np.zeros(size)
        self._windows = 0  # so far, and the sums of their scores, also at starts and at ends
        self._sums = np.zeros(size)
        self._at_start = np.zeros((2, size))
        self._at_end = np.zeros((2, size))

    def _check(self, start: float, end: float, scores: np.ndarray) -> None:
        is_unseen = np.isnan(scores).all()
        if scores.shape != (len(self._names),) or not (is_unseen or np.isfinite(scores).all()):
            raise ScoresError(
                f"the window from {start:g} to {end:g} s has no finite score for each of "
                f"{len(self._names)} classes"
            )
        if not start < end:
            raise ScoresError(f"a window from {start:g} to {end:g} s holds nothing")
        before = self._newest
        if before is not None and not (start + end) / 2 > before.middle:
            raise ScoresError(
                f"the window from {start:g} to {end:g} s is not later than the one before, which ends at "
                f"{before.end:g} s; feed windows in the order of time"
            )

    def _window(self, start: float, end: float, scores: np.ndarray) -> _Window:
        before, middle = self._newest, (start + end) / 2
        if before is None:
            self._first = start
        follows = before is not None and start - before.end <= NO_GAP
        begins = (before.middle + middle) / 2 if before is not None and follows else start
        return _Window(begins, middle, end, scores)

    def _end_run(self, at: float, now: float) -> list[Event]:
        """The last windows before a gap or the end, ``at`` which all classes end."""
        events = [e for smoothed in self._smoother.flush() for e in self._advance(smoothed, now)]
        self._smoother = Smoother(self._rules.smoothing)
        self._stop(self._active.copy(), at)
        return events

    def _advance(self, smoothed: np.ndarray, now: float | None = None) -> list[Event]:
        """Take the oldest waiting window, whose smoothed scores are there."""
        window = self._waiting.popleft()
        scores = self._eligible(smoothed)
        self._stop(self._active & (scores < self._rules.offset), window.begins)
        events = self._finish(self._final(window.begins), now=now)
        starting = ~self._active & (scores > self._rules.onset)
        new = starting & ~self._open
        if new.any():
            self._starts[new] = window.begins
            self._at_start[:, new] = self._totals()[:, new]
            self._open |= new
        self._active |= starting
        self._sums = self._sums + window.scores
        self._windows += 1
        for place in new.nonzero()[0]:
            start = max(float(self._starts[place]) - self._rules.pad, self._first)
            score = float(window.scores[place])
            events.append(Event("start", self._names[place], start, None, score, self._now(now)))
        return events

    def _eligible(self, scores: np.ndarray) -> np.ndarray:
        """Scores with minus infinity for classes that cannot be active."""
        (kept,) = eligible_scores(scores[None], self._rules, self._background)
        return np.asarray(kept)

    def _stop(self, classes: np.ndarray, at: float) -> None:
        if classes.any():
            self._ends[classes] = at
            self._at_end[:, classes] = self._totals()[:, classes]
            self._active &= ~classes

    def _final(self, now: float) -> np.ndarray:
        """The classes whose segment no later one can be joined with."""
        waiting = self._open & ~self._active
        if not waiting.any():
            return np.empty(0, np.int64)
        gaps = (now - self._rules.pad) - (self._ends + self._rules.pad)
        far = ~joined(gaps, self._rules)
        if self._rules.pad == self._rules.min_off == 0:
            far = waiting
        return np.flatnonzero(waiting & far)

    def _finish(
        self, classes: np.ndarray, *, limit: float = np.inf, now: float | None = None
    ) -> list[Event]:
        events = []
        for place in classes:
            start = max(float(self._starts[place]) - self._rules.pad, self._first)
            end = min(float(self._ends[place]) + self._rules.pad, limit)
            count, total = self._at_end[:, place] - self._at_start[:, place]
            kind: Literal["end", "withdrawn"]
            kind = "withdrawn" if end - start < self._rules.min_on else "end"
            score = float(total / count)
            events.append(Event(kind, self._names[place], start, end, score, self._now(now)))
        self._open[classes] = False
        return events

    def _totals(self) -> np.ndarray:
        """(2, K): windows so far, and the sums of their scores."""
        return np.stack([np.full(len(self._names), float(self._windows)), self._sums])

    def _now(self, now: float | None) -> float:
        assert self._newest is not None
        return self._newest.end if now is None else now


def joined(gaps: np.ndarray, rules: SegmentRules) -> np.ndarray:
    """Whether segments with such gaps between them, in seconds, are one."""
    return (gaps <= 0) | (gaps < rules.min_off)


def eligible_scores(scores: np.ndarray, rules: SegmentRules, background: int | None) -> np.ndarray:
    """(W, K) scores with minus infinity where a class cannot be active: background, not the likeliest."""
    if background is None and rules.classes == "all":
        return scores
    kept = scores.copy()
    if rules.classes == "likeliest":
        kept[np.arange(scores.shape[1]) != scores.argmax(axis=1)[:, None]] = -np.inf
    if background is not None:
        kept[:, background] = -np.inf
    return kept


def detections_in(events: Iterable[Event]) -> list[Detection]:
    """The final segments of ``events``, by start, end and label."""
    found = [Detection(e.label, e.score, e.start, e.end or 0.0) for e in events if e.kind == "end"]
    return sorted(found, key=lambda row: (row.start, row.end, row.label))


def find_segments(
    starts: np.ndarray,
    ends: np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    rules: SegmentRules,
    *,
    duration: float | None = None,
) -> list[Detection]:
    """The segments of a file: all its windows fed.

    Args:
        starts: (W,) seconds.
        ends: (W,) seconds.
        probabilities: (W, K); nan in windows that could not be read.
        class_names: K.
        rules: see ``rules``.
        duration: where the video ends, default: with the last window.
    """
    machine = Segmenter(class_names, rules)
    events = []
    for window in zip(starts.tolist(), ends.tolist(), probabilities, strict=True):
        events += machine.feed(*window)
    return detections_in([*events, *machine.close(duration)])
