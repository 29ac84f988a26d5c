"""Figures of online scores: AP by stage of an action, starts by offset, time to detection by false alarms.

A report has one or two views: what is known in stream time, and as seen, which has the latency.
"""

from collections.abc import Callable, Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from timesformer.visualize.figure_style import ACCENT, INK, SOFT, WIDTH, new_axes, style_axes

View = Mapping[str, Any]
VIEWS: dict[str, tuple[str, dict[str, Any]]] = {  # name in the report -> name in the legend, style
    "stream_time": ("in stream time", {"color": ACCENT, "linestyle": "-"}),
    "as_seen": ("as seen", {"color": SOFT, "linestyle": (0, (4, 2))}),
}


def draw_stages(report: Mapping[str, Any]) -> Figure:
    """MAP and mcAP of the ten stages of actions, in percent."""
    figure, axes = new_axes()
    middles = [50 * (stage["from"] + stage["to"]) for stage in report["stream_time"]["stages"]]
    for name, marker, filled in (("mAP", "o", True), ("mcAP", "s", False)):
        values = [_percent(stage[name]) for stage in report["stream_time"]["stages"]]
        face = ACCENT if filled else "none"
        axes.plot(middles, values, marker + "-", color=ACCENT, mfc=face, label=name, **_LINE)
    if report["as_seen"]:
        values = [_percent(stage["mAP"]) for stage in report["as_seen"]["stages"]]
        label, style = VIEWS["as_seen"]
        axes.plot(middles, values, marker="o", label=f"mAP, {label}", **style, **_LINE)
    axes.set(
        xlabel="part of the action that has passed, %", ylabel="%", ylim=(0, 105), xlim=(0, 100)
    )
    axes.set_xticks(range(0, 101, 20))
    axes.set_yticks(range(0, 101, 20))
    _legend(figure, axes)
    return figure


def draw_point_map(report: Mapping[str, Any]) -> Figure:
    """Point mAP over the offset that a start may have."""
    figure, axes = new_axes()
    _draw_views(axes, report, lambda view: _shares(view["point_mAP"]))
    axes.set(xlabel="seconds that a start may be away", ylabel="point mAP, %", ylim=(0, 105))
    axes.set_xticks([int(offset) for offset in report["stream_time"]["point_mAP"]])
    axes.set_yticks(range(0, 101, 20))
    _legend(figure, axes)
    return figure


def draw_detected_within(report: Mapping[str, Any]) -> Figure:
    """Share of the actions that are detected by so many seconds after their start."""
    figure, axes = new_axes()
    _draw_views(axes, report, lambda view: _shares(view["detected_within"]))
    axes.set(xlabel="seconds since the start of the action", ylabel="detected, %", ylim=(0, 105))
    axes.set_xlim(left=0)
    axes.set_yticks(range(0, 101, 20))
    _legend(figure, axes)
    return figure


def draw_time_to_detection(report: Mapping[str, Any]) -> Figure:
    """Share of actions that are detected, and the mean time to it, by false alarms an hour."""
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    upper, lower = (style_axes(each) for each in figure.subplots(2, 1, sharex=True))
    _draw_views(upper, report, lambda view: _curve(view, "detected", 100))
    _draw_views(lower, report, lambda view: _curve(view, "mean_seconds", 1))
    upper.set(ylabel="detected, %", ylim=(0, 108))
    upper.set_yticks(range(0, 101, 25))
    lower.set(ylabel="mean time to it, s", xlabel="false alarms an hour that are allowed")
    lower.set_ylim(bottom=0)
    rates = [point["allowed_per_hour"] for point in report["stream_time"]["curve"]]
    for axes in (upper, lower):
        axes.set_xscale("symlog", linthresh=1, linscale=0.5)
        axes.xaxis.set_major_locator(FixedLocator([0, *(10**k for k in range(5))]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(-0.1, 1.4 * max(*rates, report["false_alarms_per_hour"]))
        dotted: dict[str, Any] = {"linewidth": 0.8, "linestyle": (0, (1, 2))}
        axes.axvline(report["false_alarms_per_hour"], color=INK, **dotted)
    lower.xaxis.set_major_formatter(lambda rate, _: f"{rate:g}")
    _legend(figure, upper)
    return figure


_LINE: dict[str, Any] = {"linewidth": 1.6, "markersize": 5}


def _draw_views(
    axes: Axes, report: Mapping[str, Any], points: Callable[[View], list[tuple[float, float]]]
) -> None:
    for name, (label, style) in VIEWS.items():
        if report[name]:
            x, y = zip(*points(report[name]), strict=True)
            axes.plot(x, y, marker="o", label=label, **style, **_LINE)


def _shares(values: Mapping[str, float | None]) -> list[tuple[float, float]]:
    return [(float(name), _percent(value)) for name, value in values.items()]


def _curve(view: View, name: str, factor: float) -> list[tuple[float, float]]:
    nothing = float("nan")
    return [
        (point["allowed_per_hour"], nothing if point[name] is None else factor * point[name])
        for point in view["curve"]
    ]


def _percent(share: float | None) -> float:
    return float("nan") if share is None else 100 * share


def _legend(figure: Figure, axes: Axes) -> None:
    """Above the axes, where no curve is; nothing for one curve."""
    lines, labels = axes.get_legend_handles_labels()
    if len(lines) < 2:
        return
    look: dict[str, Any] = {"frameon": False, "fontsize": 9.5, "labelcolor": SOFT}
    figure.legend(lines, labels, loc="outside upper left", ncols=3, **look)
