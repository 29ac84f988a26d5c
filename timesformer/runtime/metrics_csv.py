"""``metrics.csv``: a row for every log line of training and every validation of a run.

A resumed run appends to the same file: rows later than its position are removed first, since they will
be written again. A row that a crash left incomplete is dropped.
"""

import csv
import datetime
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from timesformer.files import write_atomically

COLUMNS = (
    "type",  # train_iter (of the batches since the last one), train_epoch, val_epoch; as in json_stats
    "epoch",  # from 1
    "batch",  # of the epoch, the number of batches so far
    "batches",  # of an epoch
    "time",  # UTC
    "loss",
    "lr",
    "grad_norm",  # of the last optimizer step
    "top1_err",  # percent
    "top5_err",
    "map",  # 0 .. 1, where videos have several labels
    "clips_per_second",  # over all processes
    "dt",  # seconds a batch, and of these waited for data
    "dt_data",
    "gpu_gib",  # highest memory of tensors on the first GPU
    "ram_gib",  # memory of the first process
    "videos",  # validated
    "unreadable",
    "skipped_steps",  # of the epoch so far, by the optimizer, because loss or gradient was not finite
)

Row = dict[str, str]


class MetricsCSV:
    """Appends rows to a ``metrics.csv``."""

    def __init__(self, path: Path, *, epoch: int, batch: int = 0) -> None:
        """Rows later than batch ``batch`` of 0-based ``epoch``, the next to train, are removed."""
        self.path = path
        kept = [row for row in read_rows(path) if position(row) <= (epoch, batch)]
        _rewrite(path, kept)

    def add(self, values: dict[str, Any]) -> None:
        """Write one row; columns that ``values`` does not name stay empty."""
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        printed = {name: _printed(value) for name, value in values.items()}
        with self.path.open("a", newline="", encoding="utf-8") as file:
            _writer(file).writerow({"time": now} | printed)


def read_rows(path: Path) -> list[Row]:
    """The complete rows of a ``metrics.csv``; none if there is no such file."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    whole_lines = text[: text.rfind("\n") + 1].splitlines()
    return [row for row in csv.DictReader(whole_lines) if _is_whole(row)]


def position(row: Row) -> tuple[int, int]:
    """The batch, (0-based epoch, batch), that came next when the row was written."""
    epoch, batch = int(row["epoch"]), int(row["batch"])
    return (epoch - 1, batch) if row["type"] == "train_iter" else (epoch, 0)


def best_validation(rows: Iterable[Row]) -> Row | None:
    """The row of the lowest top-1 error, or of the highest mean average precision."""
    validated = [row for row in rows if row["type"] == "val_epoch"]
    return min(validated, key=_badness, default=None)


def _badness(row: Row) -> float:
    value = float(row["top1_err"]) if row["top1_err"] else -float(row["map"] or "nan")
    return math.inf if math.isnan(value) else value


def _is_whole(row: Row) -> bool:
    """Whether a row has a position and a value in every column."""
    try:
        position(row)
    except (KeyError, TypeError, ValueError):
        return False
    return None not in row and None not in row.values()


def _printed(value: Any) -> Any:
    return f"{value:.7g}" if isinstance(value, float) else value


def _writer(file: Any) -> "csv.DictWriter[str]":
    return csv.DictWriter(file, COLUMNS, extrasaction="raise", lineterminator="\n")


def _rewrite(path: Path, rows: list[Row]) -> None:
    with write_atomically(path, newline="") as file:
        writer = _writer(file)
        writer.writeheader()
        writer.writerows({name: row.get(name, "") for name in COLUMNS} for row in rows)
