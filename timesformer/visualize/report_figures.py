"""Figures of a test: headline, classes, confusion, training frequency, views.

Each takes the numbers of report.json, and is the same in the page, in a PNG file and in TensorBoard.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from timesformer.visualize.figure_style import (
    ACCENT,
    INK,
    PALE,
    SOFT,
    WIDTH,
    new_axes,
    note,
    plain,
    style_axes,
)

MOST_NAMED = 40  # classes with a bar and a name each; more are a curve
MOST_COUNTED = 14  # classes of a matrix with a number in each cell
METRICS = {
    "map": "mAP",
    "top1": "top-1",
    "top5": "top-5",
    "mean_class": "mean class",
    "macro_f1": "macro F1",
}
Json = Mapping[str, Any]


def draw_accuracy(accuracy: Json) -> Figure:
    """A bar with its interval for each metric, above the levels of chance and of the largest class."""
    found = [(title, accuracy[name]) for name, title in METRICS.items() if accuracy.get(name)]
    figure, axes = new_axes(0.6 + 0.34 * len(found))
    style_axes(axes, grid="x")
    for place, (_, value) in enumerate(found):
        axes.barh(place, value["value"], 0.62, color=PALE)
        _whisker(axes, place, value.get("interval"), horizontal=True)
    for name, title in (("chance", "chance"), ("majority", "largest class")):
        if accuracy.get(name):
            at = accuracy[name]["value"]
            axes.axvline(at, color=SOFT, linewidth=0.9, dashes=(3, 2))
            style = {"xytext": (0, 3), "ha": "center", "va": "bottom", "size": 8}
            raised = 11 if name == "majority" and at - accuracy["chance"]["value"] < 18 else 3
            note(axes, title, (at, -0.5), **style | {"xytext": (0, raised)})
    axes.set_yticks(range(len(found)), [f"{title}  {v['value']:.1f}" for title, v in found])
    axes.tick_params(axis="y", colors=INK)
    axes.set(xlim=(0, 101), ylim=(len(found) - 0.5, -0.5), xlabel="%")
    return figure


def draw_per_class(per_class: Sequence[Json]) -> Figure:
    """Accuracy of each class with its interval, the lowest first; of many classes as a curve."""
    rows = ranked(per_class)
    scores = [class_score(row) for row in rows]
    if len(rows) > MOST_NAMED:
        figure, axes = new_axes()
        places = np.arange(1, len(rows) + 1)
        ends = [row["interval"] or (score, score) for row, score in zip(rows, scores, strict=True)]
        axes.vlines(places, *zip(*ends, strict=True), color=PALE, linewidth=0.8)
        axes.plot(places, scores, color=ACCENT, linewidth=1.6)
        axes.set(xlabel="classes, the lowest first", ylabel=f"{_metric(per_class)}, %")
        axes.set(ylim=(0, 102), xlim=(0, len(rows) + 1))
        return figure
    figure, axes = new_axes(0.6 + 0.24 * max(len(rows), 2))
    style_axes(axes, grid="x")
    for place, (row, score) in enumerate(zip(rows, scores, strict=True)):
        axes.barh(place, score, 0.62, color=PALE)
        _whisker(axes, place, row.get("interval"), horizontal=True)
    axes.set_yticks(range(len(rows)), [plain(row["name"], 26) for row in rows])
    axes.tick_params(axis="y", colors=INK)
    axes.set(xlim=(0, 101), ylim=(len(rows) - 0.4, -0.6), xlabel=f"{_metric(per_class)}, %")
    return figure


def draw_confusion(confusion: Sequence[Sequence[int]], order: Sequence[int], names: Sequence[str]) -> Figure:  # fmt: skip # noqa: E501
    """Shares of each true class, in ``order``: right ones grey, mistaken ones in colour."""
    counts = np.asarray(confusion)[np.ix_(order, order)]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = new_axes(WIDTH)
    axes.grid(visible=False)
    axes.imshow(confusion_pixels(shares), interpolation="nearest")
    axes.set(xlabel="predicted", ylabel="true")
    if len(order) <= MOST_NAMED:
        shown = [plain(names[label], 18) for label in order]
        axes.set_xticks(range(len(order)), shown, rotation=90)
        axes.set_yticks(range(len(order)), shown)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
    if len(order) <= MOST_COUNTED:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                axes.text(column, row, str(count), ha="center", va="center", size=8, color=INK)
    return figure


def confusion_pixels(shares: np.ndarray) -> np.ndarray:
    """(K, K) shares of the true classes -> (K, K, 4) colours: the diagonal grey, the rest in colour."""
    pixels = np.empty((*shares.shape, 4))
    pixels[..., :3] = to_rgb(ACCENT)
    pixels[..., 3] = np.where(shares > 0, 0.2 + 0.8 * np.sqrt(shares), 0)  # one video is seen too
    diagonal = np.arange(len(shares))
    pixels[diagonal, diagonal, :3] = to_rgb(SOFT)
    pixels[diagonal, diagonal, 3] *= 0.55
    return pixels


def draw_frequency(per_class: Sequence[Json], frequency: Json | None) -> Figure:
    """Accuracy of each class against its number of training videos."""
    rows = [row for row in ranked(per_class) if row.get("train_videos")]
    figure, axes = new_axes()
    x = [row["train_videos"] for row in rows]
    y = [class_score(row) for row in rows]
    axes.plot(
        x,
        y,
        "o",
        color=ACCENT,
        markersize=5 if len(rows) < 60 else 3.5,
        alpha=0.7,
        markeredgewidth=0,
    )
    if x and max(x) > 8 * min(x):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
    if frequency and frequency.get("spearman") is not None:
        text = f"Spearman's ρ {frequency['spearman']:.2f}"
        axes.text(0.99, 0.02, text, transform=axes.transAxes, ha="right", color=INK, size=10.5)
    axes.set(
        xlabel="training videos of the class", ylabel=f"{_metric(per_class)}, %", ylim=(0, 102)
    )
    return figure


def draw_views(views: Json) -> Figure:
    """The metric against the number of clips, and against the milliseconds of a video if known."""
    points = sorted(views["points"], key=lambda point: point["clips"])
    columns = {"clips": "clips of a video", "milliseconds": "milliseconds a video"}
    known = [name for name in columns if all(point.get(name) is not None for point in points)]
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(known), sharey=True))
    figure.set_layout_engine("constrained", wspace=0.08)
    for axes, name in zip(panels, known, strict=True):
        style_axes(axes)
        for crops in sorted({point["crops"] for point in points}):
            chosen = [point for point in points if point["crops"] == crops]
            x = [point[name] for point in chosen]
            for place, point in zip(x, chosen, strict=True):
                _whisker(axes, place, point.get("interval"), horizontal=False, colour=PALE)
            axes.plot(
                x, [p["value"] for p in chosen], "o-", color=ACCENT, linewidth=1.5, markersize=4
            )
            if len({point["crops"] for point in points}) > 1:
                note(axes, f"{crops} crop{'s' * (crops > 1)}", (x[-1], chosen[-1]["value"]))
        axes.set(xlabel=columns[name])
        axes.set_xlim(left=0)
    panels[0].set(ylabel=f"{METRICS[views['metric']]}, %")
    return figure


def ranked(per_class: Sequence[Json]) -> list[Json]:
    """The classes that have a score, the lowest first."""
    return sorted((row for row in per_class if class_score(row) is not None), key=lambda row: (class_score(row), row["label"]))  # fmt: skip # noqa: E501


def class_score(row: Json) -> Any:
    """Average precision of a class of several labels a video, else accuracy; percent, or None."""
    found = row.get("average_precision")
    return row.get("accuracy") if found is None else found


def _metric(per_class: Sequence[Json]) -> str:
    several = any(row.get("average_precision") is not None for row in per_class)
    return "average precision" if several else "accuracy"


def _whisker(axes: Axes, place: float, interval: Sequence[float] | None, *, horizontal: bool, colour: str = ACCENT) -> None:  # fmt: skip # noqa: E501
    """The interval at ``place``, if there is one."""
    if interval:
        draw = axes.hlines if horizontal else axes.vlines
        draw(place, interval[0], interval[1], color=colour, linewidth=1.8)
