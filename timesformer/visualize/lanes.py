"""Where segments lie on a time line: in lanes, so that no two of a lane overlap."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)  # seconds
MOST_TICKS = 5


class Bar(NamedTuple):
    """A segment on a time line, in percent of its width."""

    lane: int
    left: float
    width: float
    segment: Mapping[str, Any]


class Lanes(NamedTuple):
    """The bars of a time line, and how many had no place."""

    bars: tuple[Bar, ...]
    used: int  # lanes, at least 1
    left_out: int


def fill_lanes(segments: Sequence[Mapping[str, Any]], duration: float, most: int) -> Lanes:
    """Put each segment into the first lane that is free at its start.

    Args:
        segments: with ``start`` and ``end`` in seconds, by start.
        duration: seconds that the time line shows.
        most: lanes; what has no place in them is left out.
    """
    ends: list[float] = []
    bars = []
    for segment in segments:
        lane = next((i for i, end in enumerate(ends) if end <= segment["start"]), len(ends))
        if lane == most:
            continue
        ends[lane : lane + 1] = [segment["end"]]
        left = min(max(100 * segment["start"] / duration, 0.0), 100.0)
        right = min(max(100 * segment["end"] / duration, left), 100.0)
        bars.append(Bar(lane, round(left, 3), round(right - left, 3), segment))
    return Lanes(tuple(bars), max(len(ends), 1), len(segments) - len(bars))


def ticks(duration: float) -> list[tuple[float, str]]:
    """Percent of the width, and text, of round times."""
    step = next((each for each in STEPS if duration / each <= MOST_TICKS), STEPS[-1])
    count = int(duration / step + 1e-9) + 1
    say = clock if duration >= 60 else "{:.4g} s".format
    return [(round(100 * k * step / duration, 3), say(k * step)) for k in range(count)]


def clock(seconds: float) -> str:
    """``1:05`` or ``1:00:05``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
