"""Figures of detections: mAP by the overlap that is asked for, recall by the number of detections."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from timesformer.visualize.figure_style import ACCENT, INK, new_axes, note


def draw_map_by_tiou(values: Mapping[str, float]) -> Figure:
    """A point for each threshold, its value beside it; shares become percent."""
    figure, axes = new_axes()
    tious = [float(name) for name in values]
    percents = [100 * value for value in values.values()]
    axes.plot(tious, percents, "o-", color=ACCENT, linewidth=1.6, markersize=5)
    for at in zip(tious, percents, strict=True) if len(tious) <= 12 else ():
        above = {"xytext": (0, 7), "ha": "center", "va": "bottom", "color": INK}
        note(axes, f"{at[1]:.1f}", at, **above)
    axes.set(xlabel="tIoU", ylabel="mAP, %", ylim=(0, 108))
    axes.set_yticks(range(0, 101, 20))
    axes.margins(x=0.08)
    return figure


def draw_average_recall(values: Mapping[str, float]) -> Figure:
    """AR over the number of detections, on a logarithmic axis."""
    figure, axes = new_axes()
    counts = [int(name) for name in values]
    percents = [100 * value for value in values.values()]
    axes.plot(counts, percents, "o-", color=ACCENT, linewidth=1.6, markersize=5)
    for at in zip(counts, percents, strict=True):
        above = {"xytext": (0, 7), "ha": "center", "va": "bottom", "color": INK}
        note(axes, f"{at[1]:.1f}", at, **above)
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(count) for count in counts], minor=False)
    axes.set_xticks([], minor=True)
    axes.set(xlabel="detections of a video", ylabel="average recall, %", ylim=(0, 108))
    axes.set_yticks(range(0, 101, 20))
    axes.margins(x=0.08)
    return figure
