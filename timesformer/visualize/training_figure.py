"""The training of a tested run: loss and validation by epoch."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from timesformer.visualize.figure_style import ACCENT, WIDTH, style_axes
from timesformer.visualize.report_figures import METRICS


def draw_training(training: Mapping[str, Any]) -> Figure:
    """Training loss, and validation in percent; a curve that the run does not have is left out."""
    metric = METRICS[training["metric"]]
    titles = {"loss": "training loss", "validation": f"validation {metric}, %"}
    known = [name for name in titles if training[name]]
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    panels = figure.subplots(1, len(known), squeeze=False)[0]
    for axes, name in zip(panels, known, strict=True):
        style_axes(axes)
        points = training[name]
        marker = "o" if len(points) <= 40 else ""
        axes.plot(
            *zip(*points, strict=True), color=ACCENT, linewidth=1.5, marker=marker, markersize=4
        )
        axes.set(xlabel="epoch", ylabel=titles[name])
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
