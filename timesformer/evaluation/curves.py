"""Curves of runs, read from ``metrics.csv`` or from the ``json_stats`` lines of an older log.

Logs of the published code are read too; they hold no clips/s.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from timesformer.errors import InputError
from timesformer.files import LOG, METRICS
from timesformer.runtime import metrics_csv
from timesformer.visualize.training_curves import Curves, Point

WHOLE = {"train_epoch": "1/1"}  # of rows without a batch


class CurvesError(InputError, ValueError):
    """A run that cannot be drawn; the message says what is missing."""


def read_runs(paths: Sequence[Path]) -> list[Curves]:
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


def read_run(path: Path) -> Curves:
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
    return Curves(name=name, metric=metric, validation=_known(scores), **known)


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
