"""Scores of windows, smoothed over neighbours in time: a centred median or mean of N windows.

At the ends of a run of windows the neighbours that exist count. A score is known N // 2 windows later
than it comes; otherwise feeding one by one gives the bits that ``smooth_runs`` gives.
"""

import re
from collections import deque
from typing import NamedTuple

import numpy as np

from timesformer.errors import InputError

_SMOOTH = re.compile(r"(median|mean):([0-9]{1,6})")


class SmoothingError(InputError, ValueError):
    """A smoothing that cannot be; the message says which there are."""


class Smoothing(NamedTuple):
    """How scores are smoothed: over ``length`` windows, of which the middle one is meant."""

    kind: str  # median, mean
    length: int  # odd

    @property
    def delay(self) -> int:
        """Windows after which a score is known."""
        return self.length // 2


NO_SMOOTHING = Smoothing("mean", 1)


def parse_smoothing(text: str) -> Smoothing:
    """Of ``median:5``, ``mean:3`` or ``none``.

    Raises:
        SmoothingError: another text, or an even number of windows.
    """
    if text == "none":
        return NO_SMOOTHING
    match = _SMOOTH.fullmatch(text)
    if not match:
        raise SmoothingError(f"the smoothing is {text!r}; write median:N, mean:N or none")
    length = int(match[2])
    if length % 2 == 0:
        raise SmoothingError(
            f"the smoothing {text} has an even number of windows, which has no middle; write "
            f"{match[1]}:{length + 1}"
        )
    return Smoothing(match[1], length)


class Smoother:
    """Smooths scores that come one by one; a new one for each run of windows."""

    def __init__(self, smoothing: Smoothing) -> None:
        self._smoothing = smoothing
        self._rows: deque[np.ndarray] = deque(maxlen=smoothing.length)
        self._ahead = 0  # windows at the end of ``rows`` that are not smoothed yet

    def feed(self, scores: np.ndarray) -> np.ndarray | None:
        """The smoothed scores (K,) of the window ``delay`` before, None while there is none."""
        self._rows.append(scores)
        self._ahead += 1
        return self._next() if self._ahead > self._smoothing.delay else None

    def flush(self) -> list[np.ndarray]:
        """The smoothed scores of the last windows, after which none comes."""
        return [self._next() for _ in range(self._ahead)]

    def _next(self) -> np.ndarray:
        middle = len(self._rows) - self._ahead
        self._ahead -= 1
        if self._smoothing.length == 1:
            return self._rows[middle]
        first = max(middle - self._smoothing.delay, 0)
        return _SMOOTHED[self._smoothing.kind](list(self._rows)[first:])


def smooth_runs(scores: np.ndarray, begins: np.ndarray, smoothing: Smoothing) -> np.ndarray:
    """Smoothed scores of all windows at once.

    Args:
        scores: (W, K).
        begins: (W,) whether a window begins a run; neighbours are of one run.
        smoothing: kind and length.
    """
    if smoothing.length == 1:
        return scores
    places = np.arange(len(scores))
    first = np.maximum.accumulate(np.where(begins, places, 0))
    is_last = np.append(begins[1:], True)
    last = np.minimum.accumulate(np.where(is_last, places, len(scores))[::-1])[::-1]
    shifted = (places + shift for shift in range(-smoothing.delay, smoothing.delay + 1))
    inside = [(place, (first <= place) & (place <= last)) for place in shifted]
    if smoothing.kind == "mean":
        total = np.zeros_like(scores)
        for place, fits in inside:
            total[fits] += scores[place[fits]]
        counts = np.sum([fits for _, fits in inside], axis=0)
        mean: np.ndarray = total / counts[:, None]
        return mean
    rows = np.full((smoothing.length, *scores.shape), np.inf)
    for row, (place, fits) in zip(rows, inside, strict=True):
        row[fits] = scores[place[fits]]
    rows.sort(axis=0)
    counts = np.sum([fits for _, fits in inside], axis=0)
    middle: np.ndarray = (rows[(counts - 1) // 2, places] + rows[counts // 2, places]) / 2
    return middle


def _median(rows: list[np.ndarray]) -> np.ndarray:
    ordered = np.sort(rows, axis=0)
    middle: np.ndarray = (ordered[(len(rows) - 1) // 2] + ordered[len(rows) // 2]) / 2
    return middle


def _mean(rows: list[np.ndarray]) -> np.ndarray:
    total = np.zeros_like(rows[0])
    for row in rows:
        total += row
    return total / len(rows)


_SMOOTHED = {"median": _median, "mean": _mean}
