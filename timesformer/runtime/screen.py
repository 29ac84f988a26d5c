"""The terminal output of a run: five lines of facts, a row for each epoch, the results."""

import errno
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from timesformer.io.terminal import PrintableFormatter, drop, verbosity
from timesformer.runtime import signals
from timesformer.tables import format_table

SHOWN, RESULT = 1, 2  # marks of log lines: for the terminal; with -q too
COLUMNS = {
    "epoch": 7,
    "loss": 8,
    "lr": 8,
    "train top-1": 11,
    "val top-1": 9,
    "clips/s": 7,
    "left": 8,
}
SEVERAL_LABELS = {"val top-1": "val mAP"}


class ScreenHandler(logging.Handler):
    """Marked lines as they are, warnings with their level; above a progress bar if there is one.

    When the output is closed (``| head``), the run is asked to save and end.
    """

    def __init__(self, stream: TextIO, whole: logging.Formatter) -> None:
        super().__init__()
        self.stream = stream
        self.level_of_marks = SHOWN - min(verbosity(), 0)
        self.shows_all = verbosity() > 0
        self.setFormatter(whole if self.shows_all else _PlainFormatter())

    def filter(self, record: logging.LogRecord) -> bool:
        marked = getattr(record, "shown", 0) >= self.level_of_marks
        return self.shows_all or marked or record.levelno >= logging.WARNING

    def format(self, record: logging.LogRecord) -> str:
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        return super().format(record).encode(encoding, "backslashreplace").decode(encoding)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            tqdm.write(self.format(record), file=self.stream)
            self.stream.flush()
        except BrokenPipeError:
            self.setLevel(logging.CRITICAL + 1)
            drop(self.stream)
            signals.note_closed_pipe()
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno not in (errno.EIO, errno.ENOSPC):
                raise
            self.setLevel(logging.CRITICAL + 1)  # the terminal has gone; the file has everything


class _PlainFormatter(PrintableFormatter):
    def formatMessage(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        return level + record.message


class EpochTable:
    """The rows of ``metrics.csv`` as a table of epochs; a row is ready when its validation is."""

    def __init__(
        self,
        num_epochs: int,
        *,
        first_batch: int = 0,
        multi_label: bool = False,
        is_validated: Callable[[int], bool] = lambda epoch: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``first_batch``: of the first epoch; ``is_validated``: of 0-based epochs."""
        self.num_epochs = num_epochs
        self.skipped_batches = first_batch
        self.multi_label = multi_label
        self.is_validated = is_validated
        self.clock = clock
        self.started = clock()
        self.has_head = False
        self.trained: Mapping[str, Any] = {}

    def add(self, row: Mapping[str, Any]) -> Iterator[str]:
        """The lines of the table that a row of metrics.csv completes."""
        if row["type"] == "train_epoch":
            self.trained = row
            if not self.is_validated(row["epoch"] - 1):
                yield from self._line({})
        elif row["type"] == "val_epoch":
            yield from self._line(row)

    def _line(self, validated: Mapping[str, Any]) -> Iterator[str]:
        row, self.trained = self.trained or validated, {}
        if not self.has_head:
            self.has_head = True
            names = SEVERAL_LABELS if self.multi_label else {}
            yield "\n" + _aligned({name: names.get(name, name) for name in COLUMNS})
        cells = {
            "epoch": f"{row['epoch']}/{self.num_epochs}",
            "loss": _number(row.get("loss"), ".4f"),
            "lr": _number(row.get("lr"), ".1e"),
            "train top-1": _percent(row if "loss" in row else {}),
            "val top-1": self._validation(validated),
            "clips/s": _number(row.get("clips_per_second"), ".1f"),
            "left": self._left(row),
        }
        yield _aligned(cells)

    def _validation(self, row: Mapping[str, Any]) -> str:
        return _number(row.get("map"), ".4f") if self.multi_label else _percent(row)

    def _left(self, row: Mapping[str, Any]) -> str:
        """The time left, if every epoch takes as long as this one with its validation."""
        now = self.clock()
        share = 1 - self.skipped_batches / max(row.get("batches", 1), 1)
        took, self.started, self.skipped_batches = now - self.started, now, 0
        if share <= 0:  # all batches were before
            return "-"
        seconds = took / share
        return str(timedelta(seconds=round(seconds * (self.num_epochs - row["epoch"]))))


def _aligned(cells: Mapping[str, str]) -> str:
    return format_table(
        [list(cells.values())],
        has_head=False,
        right=range(len(cells)),
        widths=list(COLUMNS.values()),
    )


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"


def _percent(row: Mapping[str, Any]) -> str:
    return f"{100 - row['top1_err']:.2f} %" if "top1_err" in row else "-"


def results(found: Mapping[str, Any], folder: Path, files: Sequence[str]) -> str:
    """The final table: the entries of test_results.json, and the ``files`` in ``folder``."""
    unreadable = f", {found['unreadable']} unreadable" if found["unreadable"] else ""
    limited = f"; LIMITED to {found['limited']}" if found.get("limited") else ""
    facts = {
        "videos": f"scored {found['scored']} of {found['videos']} videos{unreadable}{limited}",
        "weights": str(found["weights"] or "unknown"),
        "files": f"{', '.join(files)} in {folder}",
    }
    rows = [(name, f"{score:>9}  {remark}".rstrip()) for name, score, remark in _scores(found)]
    rows += facts.items()
    return "\n" + format_table(rows, has_head=False)


def _scores(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, value, and the level of chance."""
    chance, common = found.get("chance_acc"), found.get("majority_acc")
    remark = "" if chance is None else f"(chance {chance:.2f} %"
    remark += "" if common is None else f", always the commonest class {common:.2f} %"
    remarks = {"top1_acc": f"{remark})" if remark else ""}
    names = {"top1_acc": "top-1", "top5_acc": "top-5", "mean_class_acc": "mean of classes"}
    for key, name in names.items():
        if found.get(key) is not None:
            yield name, f"{found[key]:.2f} %", remarks.get(key, "")
    if found.get("map") is not None:
        chance = found.get("chance_map")
        remark = "" if chance is None else f"(chance {chance:.4f})"
        yield "mean average precision", f"{found['map']:.4f}", remark
