"""95 % intervals of means and of differences, with and without groups of videos that belong together.

A mean over N videos is written as value + sum of influences: the influence of a video is how much it moves
the value. Influences are summed over each group first, because clips of one film or person are not
independent. The sums give the variance that the jackknife over groups has, and Wilson's interval is taken
at the effective number of videos with this variance (Franco et al., J. Survey Statistics and Methodology
7, 2019). Groups of unequal sizes count as fewer: as many as equal ones would have the same sum of squared
shares (Kish).
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binomtest, norm, t

LEVEL = 0.95
_TAIL = (1 + LEVEL) / 2


class Interval(NamedTuple):
    """Of a value in 0 .. 1, or of a difference in -1 .. 1."""

    low: float
    high: float
    method: str


WILSON = "Wilson"


def wilson(right: int, num_videos: int) -> Interval:
    """Of the share ``right`` / ``num_videos`` of independent videos."""
    found = binomtest(right, num_videos).proportion_ci(LEVEL, method="wilson")
    return Interval(float(found.low), float(found.high), WILSON)


def share_interval(right: np.ndarray, groups: np.ndarray | None) -> Interval:
    """Of the mean of ``right`` (N,) bool; ``groups``: (N,) int codes from 0, or None."""
    if groups is None:
        return wilson(int(right.sum()), len(right))
    value = float(right.mean())
    return mean_interval(value, (right - value) / len(right), groups)


def mean_interval(
    value: float,
    influence: np.ndarray,
    groups: np.ndarray | None,
    *,
    most_freedom: float = np.inf,
) -> Interval:
    """Of ``value`` in 0 .. 1 with the influences (N,) of its videos.

    ``most_freedom``: degrees of Student's t, if a few videos make most of the spread.
    """
    spread = spread_of(influence, groups)
    method = WILSON if groups is None else f"Wilson, {spread.units} groups"
    if spread.units < 2:
        return Interval(0.0, 1.0, f"{method}: nothing is known of the spread between groups")
    binomial = value * (1 - value)
    # Without spread, as of all right, each group says as much as one video.
    known = spread.variance > 1e-15 and binomial > 0
    effective = binomial / spread.variance if known else float(spread.units)
    critical = max(spread.critical, float(t.ppf(_TAIL, most_freedom)))
    low, high = wilson_at(value, effective, critical)
    return Interval(low, high, method)


class Spread(NamedTuple):
    """Of a value, over groups or videos."""

    units: int  # groups, or videos
    variance: float  # of the value
    critical: float  # half the interval in standard deviations
    freedom: float  # degrees of Student's t; inf: the normal distribution


def spread_of(influence: np.ndarray, groups: np.ndarray | None) -> Spread:
    """The spread of a value with the influences (N,) of its videos."""
    if groups is None:
        units = len(influence)
        variance = units / max(units - 1, 1) * float((influence**2).sum())
        return Spread(units, variance, float(norm.ppf(_TAIL)), np.inf)
    sums = np.bincount(groups, weights=influence)
    shares = np.bincount(groups) / len(groups)
    units = len(sums)
    if units < 2:
        return Spread(units, np.inf, np.inf, 0)
    variance = (units - 1) / units * float(((sums / (1 - shares)) ** 2).sum())
    freedom = max(1 / float((shares**2).sum()) - 1, 1.0)
    return Spread(units, variance, float(t.ppf(_TAIL, freedom)), freedom)


def wilson_at(value: float, effective: float, critical: float) -> tuple[float, float]:
    """Wilson's limits of ``value`` 0 .. 1 at ``effective`` videos, ``critical`` standard deviations."""
    square = critical**2
    middle = (value + square / (2 * effective)) / (1 + square / effective)
    spread = value * (1 - value) / effective + square / (4 * effective**2)
    half = critical * np.sqrt(spread) / (1 + square / effective)
    return float(max(middle - half, 0)), float(min(middle + half, 1))


class Difference(NamedTuple):
    """How much the share of A exceeds that of B on the same videos, -1 .. 1."""

    value: float
    interval: Interval
    p: float  # two-sided, of no difference; the interval has 0 inside if it is above 0.05


def paired_difference(a: np.ndarray, b: np.ndarray, groups: np.ndarray | None) -> Difference:
    """Of two answers to each video, (N,) bool; ``groups`` as above.

    Independent videos: Tango's score interval (Statistics in Medicine 17, 1998), which inverts McNemar's
    test. Groups: Student's t of the sums of the groups. Groups that all say the same show no spread; each
    then counts as one video.
    """
    differences = a.astype(np.float64) - b
    value, count = float(differences.mean()), len(a)
    scale = 1.0
    if groups is not None:
        influence = (differences - value) / count
        spread = spread_of(influence, groups)
        if spread.units < 2 or spread.variance > 1e-15:
            return mean_difference(value, influence, groups)
        scale = spread.units / count
    only_a, only_b = scale * int((a & ~b).sum()), scale * int((~a & b).sum())
    unsure = only_a + only_b
    z = (only_a - only_b) / np.sqrt(unsure) if unsure else 0.0
    found = tango(only_a, only_b, scale * count)
    if groups is not None:
        found = found._replace(method=f"Tango, {spread.units} groups")
    return Difference(value, found, float(2 * norm.sf(abs(z))))


def mean_difference(value: float, influence: np.ndarray, groups: np.ndarray) -> Difference:
    """Of ``value`` in -1 .. 1 by Student's t of the influences of groups."""
    spread = spread_of(influence, groups)
    if spread.units < 2:
        name = "one group: nothing is known of the spread"
        return Difference(value, Interval(-1.0, 1.0, name), 1.0)
    name = f"Student's t, {spread.units} groups"
    deviation = float(np.sqrt(spread.variance))
    half = spread.critical * deviation
    freedom = spread.freedom
    p = float(2 * t.sf(abs(value) / deviation, freedom)) if deviation > 0 else float(value == 0)
    return Difference(value, Interval(max(value - half, -1.0), min(value + half, 1.0), name), p)


def tango(only_a: float, only_b: float, count: float) -> Interval:
    """Of (only_a - only_b) / count: videos that A alone, or B alone, gets right; parts of them too."""
    critical = float(norm.ppf(_TAIL))
    value = (only_a - only_b) / count

    def excess(difference: float) -> float:
        a = 2.0 * count
        b = -only_a - only_b + (2 * count - only_a + only_b) * difference
        c = -only_b * difference * (1 - difference)
        q = (np.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
        variance = max(count * (2 * q + difference * (1 - difference)), 1e-300)
        return float((only_a - only_b - count * difference) / np.sqrt(variance))

    def limit(inside: float, edge: float, sign: float) -> float:
        if (excess(edge) - sign * critical) * sign <= 0:
            return edge
        return float(brentq(lambda d: excess(d) - sign * critical, inside, edge, xtol=1e-12))

    near = 1 - 1e-12
    middle = min(max(value, -near), near)
    return Interval(
        -1.0 if value <= -near else limit(middle, -near, 1.0),
        1.0 if value >= near else limit(middle, near, -1.0),
        "Tango",
    )


def mcnemar(only_a: int, only_b: int) -> float:
    """The exact two-sided p that A alone and B alone are right equally often."""
    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def holm(values: list[float]) -> list[float]:
    """``values`` of several tests, adjusted so that one false alarm in all of them is as rare."""
    order = np.argsort(values, kind="stable")
    adjusted, highest = [0.0] * len(values), 0.0
    for place, index in enumerate(order.tolist()):
        highest = max(highest, min((len(values) - place) * values[index], 1.0))
        adjusted[index] = highest
    return adjusted
