"""Training curves of runs in one picture, one colour each."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMOOTHED_SHARE = 1 / 25  # of a curve's points: the span of the moving average
INK, FAINT = "#333333", "#dddddd"

Point = tuple[float, float]


class Curves(NamedTuple):
    """Curves of one run, of (epochs, value): validation scores in percent, throughput in clips/s."""

    name: str
    metric: str  # of validation: top-1 or mAP
    loss: list[Point]
    lr: list[Point]
    validation: list[Point]
    clips_per_second: list[Point]


def smooth(values: Sequence[float], span: float) -> list[float]:
    """Exponential moving average over about ``span`` values, without the pull of the first one."""
    keep = 1 - 2 / (span + 1)
    total = weight = 0.0
    averages = []
    for value in values:
        total, weight = keep * total + value, keep * weight + 1
        averages.append(total / weight)
    return averages


def draw_curves(runs: Sequence[Curves]) -> "Figure":
    """Loss, validation, learning rate and throughput of ``runs``, one colour each."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7.4), dpi=130, layout="constrained")
    panels = dict(zip(_PANELS, figure.subplots(2, 2, sharex=True).flat, strict=True))
    colours = colormaps["tab10"].colors  # type: ignore[attr-defined]
    lines, labels = [], []
    for i, run in enumerate(runs):
        colour = colours[i % len(colours)]
        _draw_loss(panels["loss"], run.loss, colour)
        _draw_validation(panels["validation"], run.validation, colour)
        behind = len(runs) - 1 - i  # wider, so that equal learning rates all show
        panels["lr"].plot(*_columns(run.lr), color=colour, linewidth=1.4 + 1.6 * min(behind, 4))
        panels["clips_per_second"].plot(
            *_columns(run.clips_per_second), color=colour, linewidth=1.2
        )
        lines += panels["lr"].plot([], [], color=colour, linewidth=3)
        labels.append(_label(run))
    for name, panel in panels.items():
        without = [run.name for run in runs if not getattr(run, name)]
        _finish(panel, _PANELS[name], without if len(without) < len(runs) else ["any run"])
    metrics = " or ".join(sorted({run.metric for run in runs}))
    panels["validation"].set_title(f"validation {metrics}, %", loc="left", fontsize=11, color=INK)
    panels["clips_per_second"].set_ylim(bottom=0)
    _scale_loss(panels["loss"], [_smoothed(run.loss) for run in runs if run.loss])
    columns = min(len(runs), 3)
    figure.legend(lines, labels, loc="outside lower center", ncols=columns, frameon=False)
    return figure


_PANELS = {
    "loss": "training loss",
    "validation": "validation",
    "lr": "learning rate",
    "clips_per_second": "clips / s",
}


def _columns(points: list[Point]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _draw_loss(panel: "Axes", points: list[Point], colour: Any) -> None:
    epochs, losses = _columns(points)
    panel.plot(epochs, losses, color=colour, linewidth=0.7, alpha=0.3)
    panel.plot(epochs, _smoothed(points), color=colour, linewidth=1.8)


def _smoothed(points: list[Point]) -> list[float]:
    return smooth([value for _, value in points], max(len(points) * SMOOTHED_SHARE, 1))


def _draw_validation(panel: "Axes", points: list[Point], colour: Any) -> None:
    marker = "o" if len(points) <= 40 else ""
    panel.plot(*_columns(points), color=colour, linewidth=1.6, marker=marker, markersize=3.5)
    if points:
        panel.plot(*_best(points), color=colour, marker="*", markersize=13, markeredgecolor="white")


def _best(points: list[Point]) -> Point:
    return max(points, key=lambda point: point[1])


def _label(run: Curves) -> str:
    if not run.validation:
        return run.name
    epoch, score = _best(run.validation)
    return f"{run.name}: best {score:.2f} % at epoch {epoch:g}"


def _finish(panel: "Axes", title: str, without: list[str]) -> None:
    panel.set_title(title, loc="left", fontsize=11, color=INK)
    panel.set_xlabel("epoch", color=INK)
    panel.tick_params(labelbottom=True)
    panel.grid(color=FAINT, linewidth=0.7)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.margins(x=0.02)
    if without:
        note = f"not in the files of {', '.join(without)}"
        panel.set_title(note, loc="right", fontsize=8, color="#888888")


def _scale_loss(panel: "Axes", curves: list[list[float]]) -> None:
    """Logarithmic where the smoothed loss falls by more than a factor of 20."""
    values = [value for curve in curves for value in curve]
    if values and min(values) > 0 and max(values) > 20 * min(values):
        panel.set_yscale("log")
