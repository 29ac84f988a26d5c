"""Curves of runs: read from ``metrics.csv``, or from the ``json_stats`` lines of an older log; drawn.

Logs of the published code are read too; they hold no clips/s.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from timesformer.errors import InputError
from timesformer.files import LOG, METRICS
from timesformer.runtime import metrics_csv

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMOOTHED_SHARE = 1 / 25  # of a curve's points: the span of the moving average
INK, FAINT = "#333333", "#dddddd"

Point = tuple[float, float]


WHOLE = {"train_epoch": "1/1"}  # of rows without a batch


class CurvesError(InputError, ValueError):
    """A run that cannot be drawn; the message says what is missing."""


class Run(NamedTuple):
    """Curves of (epochs, value): validation scores in percent, throughput in clips/s."""

    name: str
    metric: str  # of validation: top-1 or mAP
    loss: list[Point]
    lr: list[Point]
    validation: list[Point]
    clips_per_second: list[Point]


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """The curves of each path, named by its folder, or by the whole path where names are equal.

    Raises:
        CurvesError: see ``read_run``.
    """
    runs = [read_run(path) for path in paths]
    names = [run.name for run in runs]
    return [
        run._replace(name=str(path)) if names.count(run.name) > 1 else run
        for path, run in zip(paths, runs, strict=True)
    ]


def read_run(path: Path) -> Run:
    """The curves of an OUTPUT_DIR, of a ``metrics.csv``, or of a log.

    Raises:
        CurvesError: there is no such file, or it has no curve.
    """
    file, name = _source(path), (path if path.is_dir() else path.parent).resolve().name
    try:
        rows = metrics_csv.read_rows(file) if file.suffix == ".csv" else read_log(file)
    except OSError as error:
        raise CurvesError(f"{file}: {error.strerror}") from error
    steps = [row for row in rows if row["type"] == "train_iter"]
    steps = steps or [row for row in rows if row["type"] == "train_epoch"]  # epochs may be short
    validated = [row for row in rows if row["type"] == "val_epoch"]
    if not (steps or validated):
        raise CurvesError(
            f"{file} has no row of a log line or validation; a run writes the first after LOG_PERIOD "
            "batches"
        )
    names = ("loss", "lr", "clips_per_second")
    curves = {column: [(_epochs(row), _value(row, column)) for row in steps] for column in names}
    scores = [(float(row["epoch"]), _score(row)) for row in validated]
    metric = "mAP" if any(row["map"] for row in validated) else "top-1"
    known = {column: _known(points) for column, points in curves.items()}
    return Run(name=name, metric=metric, validation=_known(scores), **known)


def _source(path: Path) -> Path:
    if path.is_dir():
        files = [path / METRICS, path / LOG]
        found = [file for file in files if file.is_file()]
        if not found:
            raise CurvesError(
                f"{path} has neither {METRICS} nor {LOG}; name the OUTPUT_DIR of a run"
            )
        return found[0]
    if not path.is_file():
        raise CurvesError(f"{path}: no such file or folder; name the OUTPUT_DIR of a run")
    return path


def read_log(path: Path) -> list[metrics_csv.Row]:
    """Rows as ``metrics_csv.read_rows`` returns them, from the ``json_stats`` lines of a log.

    Of batches that a resumed run trained again the last line counts.
    """
    rows: list[metrics_csv.Row] = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for row in _rows_of(file):
            while rows and (
                metrics_csv.position(rows[-1]) > metrics_csv.position(row) or _same(rows[-1], row)
            ):
                rows.pop()
            rows.append(row)
    return rows


def _same(a: metrics_csv.Row, b: metrics_csv.Row) -> bool:
    return (a["type"], metrics_csv.position(a)) == (b["type"], metrics_csv.position(b))


def _rows_of(lines: Iterable[str]) -> Iterator[metrics_csv.Row]:
    for line in lines:
        match = re.search(r"json_stats: (\{.*\})", line)
        if not match:
            continue
        try:
            stats: dict[str, Any] = json.loads(match[1])
            kind = stats.get("_type")
            if kind not in ("train_iter", "train_epoch", "val_epoch"):
                continue
            epoch = str(stats["epoch"]).split("/")[0]
            batch, _, batches = str(stats.get("iter", WHOLE.get(kind, "0/0"))).partition("/")
            row = {"type": kind, "epoch": epoch, "batch": batch, "batches": batches}
            metrics_csv.position(row)
        except (ValueError, KeyError):  # torn, or of something else
            continue
        names = ("loss", "lr", "clips_per_second", "top1_err", "map")
        yield {**row, **{n: "" if stats.get(n) is None else str(stats[n]) for n in names}}


def _epochs(row: metrics_csv.Row) -> float:
    """Epochs trained when the row was written."""
    return int(row["epoch"]) - 1 + int(row["batch"]) / max(int(row["batches"] or 0), 1)


def _value(row: metrics_csv.Row, column: str) -> float:
    return float(row[column] or "nan")


def _score(row: metrics_csv.Row) -> float:
    """Top-1 accuracy or mean average precision, in percent."""
    return 100 * _value(row, "map") if row["map"] else 100 - _value(row, "top1_err")


def _known(points: list[Point]) -> list[Point]:
    return [point for point in points if math.isfinite(point[1])]


def smooth(values: Sequence[float], span: float) -> list[float]:
    """Exponential moving average over about ``span`` values, without the pull of the first one."""
    keep = 1 - 2 / (span + 1)
    total = weight = 0.0
    averages = []
    for value in values:
        total, weight = keep * total + value, keep * weight + 1
        averages.append(total / weight)
    return averages


def draw_curves(runs: Sequence[Run]) -> "Figure":
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


def _label(run: Run) -> str:
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
