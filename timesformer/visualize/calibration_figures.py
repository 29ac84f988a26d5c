"""Figures of confidence: whether it is the share of right answers, and what rejecting videos gains."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from timesformer.visualize.figure_style import (
    ACCENT,
    INK,
    PALE,
    PAPER,
    SOFT,
    WIDTH,
    new_axes,
    note,
    style_axes,
)

HISTOGRAM_BINS = 20
Json = Mapping[str, Any]


def draw_reliability(calibration: Json, coverage: Sequence[Json]) -> Figure:
    """Share of right answers against confidence, before and after the temperature; below, how many.

    Args:
        calibration: with ``bins`` and ``temperature``, as in report.json.
        coverage: as there, for the histogram of the confidences.
    """
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    style_axes(upper)
    style_axes(lower)
    upper.plot([0, 100], [0, 100], color=SOFT, linewidth=0.9, dashes=(4, 3))
    if calibration["temperature"]:
        after = calibration["temperature"]
        name = f"temperature {after['value']:.2f}"
        _draw_bins(upper, after["bins"], INK, filled=False, label=name)
    _draw_bins(upper, calibration["bins"], ACCENT, filled=True, label="as predicted")
    upper.set(ylabel="right, %", ylim=(0, 102), xlim=(0, 101))
    if calibration["temperature"]:
        figure.legend(
            loc="outside upper left", ncols=2, frameon=False, fontsize=10, labelcolor=SOFT
        )
    left, shares = confidence_histogram(coverage)
    width = 100 / HISTOGRAM_BINS
    lower.bar(left, shares, width * 0.86, align="edge", color=PALE)
    lower.set(ylabel="videos, %", xlabel="confidence, %")
    lower.set_yticks([0, round(float(shares.max()), 1)])
    return figure


def _draw_bins(
    axes: Axes, bins: Sequence[Json], colour: str, *, filled: bool, label: str = ""
) -> None:
    """A point a bin, with its interval."""
    bins = [each for each in bins if each["videos"]]
    x = [100 * each["confidence"] for each in bins]
    y = [100 * each["accuracy"] for each in bins]
    low, high = zip(
        *((100 * a, 100 * b) for a, b in (each["interval"] for each in bins)), strict=True
    )
    axes.vlines(x, low, high, color=colour, linewidth=1.1, alpha=1 if filled else 0.5)
    axes.plot(
        x,
        y,
        "o-",
        color=colour,
        linewidth=1.3 if filled else 0.8,
        markersize=5,
        markerfacecolor=colour if filled else PAPER,
        label=label,
    )


def confidence_histogram(coverage: Sequence[Json]) -> tuple[np.ndarray, np.ndarray]:
    """Left ends (B,) and shares of the videos (B,), both in percent, of HISTOGRAM_BINS bins.

    Args:
        coverage: points with ``coverage`` and ``threshold``: how many videos are at least so certain.
    """
    thresholds = np.array([point["threshold"] for point in coverage])[::-1]
    shares = np.array([point["coverage"] for point in coverage])[::-1]
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    # Of several videos that are equally certain the last point has them all.
    above = np.append(shares, 0.0)[np.searchsorted(thresholds, edges, side="left")]
    above[0], above[-1] = 1.0, 0.0
    return 100 * edges[:-1], 100 * (above[:-1] - above[1:])


def draw_coverage(coverage: Sequence[Json]) -> Figure:
    """Accuracy of the most certain videos against how many of them are answered."""
    figure, axes = new_axes()
    x = np.array([100 * point["coverage"] for point in coverage])
    y = np.array([point["accuracy"] for point in coverage])
    axes.plot(x, y, color=ACCENT, linewidth=1.8)
    for wanted in (50, 80, 100):
        at = int(np.abs(x - wanted).argmin())
        axes.plot(x[at], y[at], "o", color=ACCENT, markersize=5)
        style = {"xytext": (5, 4), "ha": "left", "va": "bottom", "color": INK}
        note(axes, f"{y[at]:.1f}", (x[at], y[at]), **style)
    axes.set(xlabel="answered, most certain first, % of the videos", ylabel="right of these, %")
    low = max(float(y.min()) - 8, 0)
    axes.set(xlim=(0, 110), ylim=(low, 104))
    axes.set_yticks([tick for tick in axes.get_yticks() if low <= tick <= 100])
    axes.set_xticks(range(0, 101, 20))
    return figure
