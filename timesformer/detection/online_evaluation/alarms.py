"""Time to detection at a fixed rate of false alarms: the best of all thresholds.

An alarm is a window in which the score of a class rises above a threshold, which is one for all classes,
as ``--onset`` is. It finds the actions of its class that its window overlaps, and is false if there is
none. The time to detection is that from the start of an action to the moment when
the score of the first alarm that finds it is known. A class that stays above the threshold raises no
second alarm, so a detector that always says everything finds little.

False alarms at a threshold t are counted without a loop: a window that no action overlaps is one for
t from the score before it up to its own.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from timesformer.detection.online_evaluation.pairs import Pairs

MOST_THRESHOLDS = 1000  # that are tried
WITHIN = (0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)  # seconds after the start of an action
CURVE_RATES = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # false alarms an hour


class Rises(NamedTuple):
    """Windows in which the score of a class is higher than in the window before.

    Each is an alarm at thresholds from ``low`` on and below ``high``.
    """

    low: np.ndarray
    high: np.ndarray
    action: np.ndarray  # which it finds, -1: it is false
    label: np.ndarray
    delay: np.ndarray  # seconds from the start of the action until it is known

    def rows(self, kept: np.ndarray) -> "Rises":
        """These of them."""
        return Rises(*(column[kept] for column in self))

    def found(self, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """The actions that are found, rising, and the delay of each."""
        up = (self.low <= threshold) & (threshold < self.high) & (self.action >= 0)
        actions, first = np.unique(self.action[up], return_index=True)
        return actions, self.delay[up][first]

    def num_false(self, thresholds: np.ndarray) -> np.ndarray:
        """(N,) false alarms at each of ``thresholds``."""
        low, high = (np.sort(column[self.action < 0]) for column in (self.low, self.high))
        counts = (np.searchsorted(column, thresholds, "right") for column in (low, high))
        return np.asarray(np.subtract(*counts))


def detected_within(delays: np.ndarray, num_actions: int) -> dict[str, float]:
    """Share of the actions that are detected by so many seconds after their start, by WITHIN."""
    return {f"{limit:g}": float((delays <= limit).sum() / num_actions) for limit in WITHIN}


class Operation(NamedTuple):
    """What a threshold gives."""

    threshold: float
    false_alarms_per_hour: float
    detected: float  # share of the actions
    mean_seconds: float  # to detection; nan if nothing is detected
    median_seconds: float


class Thresholds(NamedTuple):
    """What each of N thresholds gives, by rising threshold."""

    values: np.ndarray  # (N,)
    false_rate: np.ndarray  # (N,) an hour
    detected: np.ndarray  # (N,) share of the actions
    mean: np.ndarray  # (N,) seconds
    median: np.ndarray  # (N,) seconds

    def best(self, rate: float) -> Operation:
        """The threshold with at most ``rate`` false alarms an hour that detects most actions.

        Of several it is the one of the shortest mean time to detection, then the highest. The highest of
        all scores raises no alarm, so there is always one.
        """
        allowed = np.flatnonzero(self.false_rate <= rate)
        order = np.lexsort((self.values[allowed], -_or_infinite(self.mean[allowed])))
        order = order[np.argsort(self.detected[allowed][order], kind="stable")]
        place = allowed[order[-1]]
        return Operation(*(float(column[place]) for column in self))


def find_rises(pairs: Pairs, *, as_seen: bool) -> Rises:
    """All possible alarms by video, class and action; one that finds two actions is there twice."""
    parts = [
        part
        for video in range(len(pairs.streams))
        for part in _rises_of(pairs, video, pairs.streams[video].known(as_seen=as_seen))
    ]
    return Rises(*map(np.concatenate, zip(*parts, strict=True)))


def sweep(rises: Rises, num_actions: int, hours: float) -> Thresholds:
    """What every threshold gives, by rising threshold.

    Of more than MOST_THRESHOLDS scores, those whose ranks from the highest on grow by a constant factor:
    few false alarms an hour are allowed, of which only the highest scores tell apart how many.
    """
    values = np.unique(np.concatenate([rises.low, rises.high]))
    values = values[np.isfinite(values)]
    if len(values) > MOST_THRESHOLDS:
        ranks = np.unique(np.geomspace(1, len(values), MOST_THRESHOLDS).round().astype(np.int64))
        values = values[len(values) - ranks[::-1]]
    true = rises.rows(rises.action >= 0)
    numbers = np.array([_numbers(true, value, num_actions) for value in values.tolist()])
    return Thresholds(values, rises.num_false(values) / hours, *numbers.T)


def _numbers(true: Rises, threshold: float, num_actions: int) -> tuple[float, float, float]:
    """Share that is detected, mean and median seconds."""
    _, delays = true.found(threshold)
    if not len(delays):
        return 0.0, np.nan, np.nan
    return len(delays) / num_actions, float(delays.mean()), float(np.median(delays))


def announced_operation(pairs: Pairs, *, as_seen: bool, hours: float) -> Operation | None:
    """What the announced starts of all streams give; None if a stream has none in its file.

    The time from the start of a segment to its announcement takes the place of the window. The
    threshold is nan.
    """
    first: dict[int, float] = {}
    false = 0
    for video, stream in enumerate(pairs.streams):
        if stream.announced is None:
            return None
        for each in stream.announced:
            if each.label not in pairs.labels:
                continue
            found = _overlapped(
                pairs, video, pairs.labels.index(each.label), each.start, each.known_at
            )
            false += not len(found)
            known = each.known_at + ((each.delay or 0.0) if as_seen else 0.0)
            for action in found.tolist():
                delay = known - float(pairs.actions.times[action, 0])
                first[action] = min(first.get(action, np.inf), delay)
    delays = np.array(list(first.values()))
    mean, median = (delays.mean(), np.median(delays)) if len(delays) else (np.nan, np.nan)
    share = len(delays) / len(pairs.actions)
    return Operation(float("nan"), false / hours, share, float(mean), float(median))


def _overlapped(pairs: Pairs, video: int, label: int, start: float, end: float) -> np.ndarray:
    places = pairs.actions_of(video)
    times = pairs.actions.times[places]
    fits = (pairs.actions.label[places] == label) & (times[:, 0] < end) & (times[:, 1] > start)
    return np.asarray(places[fits])


def _rises_of(pairs: Pairs, video: int, known: np.ndarray) -> Iterator[Sequence[np.ndarray]]:
    """Columns of ``Rises`` for each class, in one video."""
    stream, scores = pairs.streams[video], pairs.scores(video).astype(np.float64)
    before = np.vstack([np.full_like(scores[:1], -np.inf), scores[:-1]])[: len(scores)]
    begins, ends = stream.windows.T
    places = pairs.actions_of(video)
    for k in range(len(pairs.labels)):
        mine = places[pairs.actions.label[places] == k]
        start, end = pairs.actions.times[mine].T
        # Windows and actions of a class are in the order of time, so each overlaps a range of the other.
        first, last = np.searchsorted(ends, start, "right"), np.searchsorted(begins, end, "left")
        counts = np.maximum(last - first, 0)
        window = np.repeat(first - (counts.cumsum() - counts), counts) + np.arange(counts.sum())
        action, onset = np.repeat(mine, counts), np.repeat(start, counts)
        alone = np.ones(len(scores), bool)
        alone[window] = False
        rows = np.concatenate([window, np.flatnonzero(alone)])
        action = np.append(action, np.full(alone.sum(), -1))
        delay = known[rows] - np.append(onset, np.zeros(alone.sum()))
        up = scores[rows, k] > before[rows, k]
        columns = (before[rows, k], scores[rows, k], action, np.full(len(rows), k), delay)
        yield [column[up] for column in columns]


def _or_infinite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), np.inf, values)
