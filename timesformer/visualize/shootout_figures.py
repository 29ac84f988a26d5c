"""Figures of a shootout: accuracy of each model with its interval, and cost against accuracy."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

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
TICKS = (1, 2, 5)  # of each power of ten


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
    axes.set_yticks(range(len(models)), [plain(model["name"], LONGEST_NAME) for model in models])
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
        note(
            axes,
            plain(model["name"], LONGEST_NAME),
            (each, found["value"]),
            xytext=(7, 0),
            size=8,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.margins(x=0.5)
    axes.set(ylim=(0, 102), xlabel="milliseconds a video in the test", ylabel="top-1, %")
    return figure


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
