"""Figures of a shootout: accuracy of each model with its interval, and cost against accuracy."""

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from timesformer.visualize.figure_style import (
    ACCENT,
    INK,
    PALE,
    SOFT,
    new_axes,
    note,
    plain,
    style_axes,
)

Json = Mapping[str, Any]
LONGEST_NAME = 34
MIDDLE = 0.6  # of the axes; names of points to the right of it stand at their left
POINTS = 72  # of an inch
LINE_POINTS, LETTER_POINTS, BESIDE = 10, 5, 7  # of a line of names and a letter; from point to name
TICKS = (1, 2, 5)  # of each power of ten


def shown_names(names: Iterable[str]) -> dict[str, str]:
    """Names of models as they are; of checkpoints without the folders that all of them share."""
    from timesformer.models import is_model_name  # which imports torch; other pages have no models

    shown = {name: name for name in names}
    paths = {name: os.path.abspath(name) for name in shown if not is_model_name(name)}
    with contextlib.suppress(ValueError):  # there is none, or they are on several drives of Windows
        folder = os.path.commonpath([os.path.dirname(path) for path in paths.values()])
        shown |= {name: os.path.relpath(path, folder) for name, path in paths.items()}
    return shown


def tested_models(report: Json) -> list[Json]:
    """The models that have an accuracy, best first."""
    return [model for model in report["models"] if model["accuracy"]]


def timed_models(report: Json) -> list[Json]:
    """Those whose speed was measured."""
    return [model for model in tested_models(report) if model["videos_per_second"]]


def draw_models(report: Json) -> Figure:
    """A bar with its interval for each model, the best at the top, and the level of chance."""
    models = tested_models(report)
    figure, axes = new_axes(0.7 + 0.36 * len(models))
    style_axes(axes, grid="x")
    for place, model in enumerate(models):
        found = model["accuracy"]["top1"]
        low, high = found["interval"]
        axes.barh(place, found["value"], 0.62, color=PALE)
        axes.hlines(place, low, high, color=ACCENT, linewidth=1.6)
        axes.plot(found["value"], place, "o", color=ACCENT, markersize=5)
    chance = models[0]["accuracy"]["chance"]["value"]
    axes.axvline(chance, color=SOFT, linewidth=0.9, dashes=(3, 2))
    style = {"xytext": (0, 3), "ha": "center", "va": "bottom", "size": 8}
    note(axes, "chance", (chance, -0.5), **style)
    shown = shown_names(model["name"] for model in models)
    axes.set_yticks(range(len(models)), [plain(each, LONGEST_NAME) for each in shown.values()])
    axes.tick_params(axis="y", colors=INK)
    axes.set(xlim=(0, 101), ylim=(len(models) - 0.5, -0.5), xlabel="top-1, %")
    return figure


def draw_cost(report: Json) -> Figure:
    """Accuracy with its interval over the time that a video takes, on a logarithmic axis."""
    models = timed_models(report)
    figure, axes = new_axes(3.6)
    for model in models:
        found, each = model["accuracy"]["top1"], 1000 / model["videos_per_second"]
        axes.vlines(each, *found["interval"], color=PALE, linewidth=1.6)
        axes.plot(each, found["value"], "o", color=ACCENT, markersize=6.5)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.margins(x=0.5)
    axes.set(ylim=(0, 102), xlabel="milliseconds a video in the test", ylabel="top-1, %")
    _note_names(axes, report)
    return figure


def _note_names(axes: Axes, report: Json) -> None:
    """The name of each model beside its point, towards the middle, below the names that it would cover."""
    shown = shown_names(model["name"] for model in report["models"])
    to_points = POINTS / axes.figure.dpi
    placed: list[tuple[float, float, float]] = []  # left, right and middle of each name, in points
    for model in timed_models(report):  # from the top
        at = 1000 / model["videos_per_second"], model["accuracy"]["top1"]["value"]
        pixels, text = axes.transData.transform(at), plain(shown[model["name"]], LONGEST_NAME)
        is_right = axes.transAxes.inverted().transform(pixels)[0] > MIDDLE
        x, y = pixels * to_points
        width = len(text) * LETTER_POINTS
        left = x - BESIDE - width if is_right else x + BESIDE
        lowest = y
        for begin, end, other in sorted(placed, key=lambda each: -each[2]):
            if begin < left + width and left < end and abs(lowest - other) < LINE_POINTS:
                lowest = other - LINE_POINTS
        placed.append((left, left + width, lowest))
        style = {"xytext": (-BESIDE if is_right else BESIDE, lowest - y), "size": 8}
        note(axes, text, at, ha="right" if is_right else "left", **style)


def model_rows(report: Json) -> Iterable[Sequence[object]]:
    """The numbers of ``draw_models``."""
    yield "model", "top1", "low", "high"
    for model in tested_models(report):
        found = model["accuracy"]["top1"]
        yield model["name"], found["value"], *found["interval"]


def cost_rows(report: Json) -> Iterable[Sequence[object]]:
    """The numbers of ``draw_cost``."""
    yield "model", "milliseconds_a_video", "top1", "low", "high"
    for model in timed_models(report):
        found = model["accuracy"]["top1"]
        yield model["name"], 1000 / model["videos_per_second"], found["value"], *found["interval"]
