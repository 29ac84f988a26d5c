"""The figure of a comparison: differences of runs with their intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from timesformer.visualize.figure_style import ACCENT, INK, SOFT, new_axes, plain, style_axes


def draw_forest(pairs: Sequence[Mapping[str, Any]]) -> Figure:
    """A point and an interval for each pair, A - B in points; filled where it does not hold 0."""
    figure, axes = new_axes(0.75 + 0.5 * len(pairs))
    style_axes(axes, grid="x")
    axes.axvline(0, color=SOFT, linewidth=1)
    for place, pair in enumerate(pairs):
        low, high = pair["interval"]
        decided = low > 0 or high < 0
        axes.hlines(place, low, high, color=ACCENT, linewidth=1.6)
        face = ACCENT if decided else "#ffffff"
        axes.plot(
            pair["difference"], place, "o", color=ACCENT, markerfacecolor=face, markersize=6.5
        )
    names = [f"{plain(pair['a'], 28)}\n− {plain(pair['b'], 28)}" for pair in pairs]
    axes.set_yticks(range(len(pairs)), names)
    axes.tick_params(axis="y", colors=INK)
    axes.set(ylim=(len(pairs) - 0.4, -0.6), xlabel="difference, points")
    axes.margins(x=0.08)
    return figure
