"""The output of a run: ``stdout.log``, ``json_stats`` lines, TensorBoard, progress bars.

``stdout.log`` has every line. The terminal has warnings and the lines that ``say`` marks; with -v it has
every line too, and with -q only warnings and results, see ``screen``.
"""

import contextlib
import datetime
import logging
import math
import os
import sys
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import psutil
import simplejson
import torch
from tqdm import tqdm

from timesformer.config import CfgNode
from timesformer.config.schedule import is_due
from timesformer.files import LOG, METRICS, write_error
from timesformer.io.terminal import PrintableFormatter, hides_bars
from timesformer.runtime import collectives
from timesformer.runtime.metrics_csv import MetricsCSV
from timesformer.runtime.screen import SHOWN, EpochTable, ScreenHandler

logger = logging.getLogger(__name__)

T = TypeVar("T")
FORMAT = "[%(asctime)s][%(levelname)s] %(filename)s: %(lineno)3d: %(message)s"  # as published
DATE_FORMAT = "%m/%d %H:%M:%S"
GIB = 1024**3


def start_logging(output_dir: str | None = None) -> None:
    """Log to the console, and with a folder to its ``stdout.log`` too.

    The first process logs everything, the others only warnings and errors.
    """
    root = logging.getLogger()
    for handler in [h for h in root.handlers if getattr(h, "of_this_run", False)]:
        root.removeHandler(handler)
        handler.close()
    whole = PrintableFormatter(FORMAT, DATE_FORMAT)
    handlers: list[logging.Handler] = [ScreenHandler(sys.stdout, whole)]
    if output_dir is not None:
        handlers.append(LogFile(Path(output_dir) / LOG))
        handlers[-1].setFormatter(whole)
    for handler in handlers:
        handler.setLevel(logging.INFO if collectives.is_main() else logging.WARNING)
        handler.of_this_run = True  # type: ignore[attr-defined]
        root.addHandler(handler)
    root.setLevel(logging.INFO)


class LogFile(logging.FileHandler):
    """Appends to a file. While that fails, lines are only on the screen."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8")
        self.is_reported = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Report that a line was not written."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        if not self.is_reported:
            self.is_reported = True
            with contextlib.suppress(OSError):
                sys.stderr.write(f"{write_error(self.baseFilename, error)}; the run continues\n")

    def close(self) -> None:
        """The last lines may be lost, which has been reported."""
        with contextlib.suppress(OSError):
            super().close()


def say(logger: logging.Logger, message: str, *arguments: object, at: int = SHOWN) -> None:
    """Log a line to the file and, in the first process, to the terminal; ``at`` RESULT with -q too."""
    logger.info(message, *arguments, extra={"shown": at}, stacklevel=2)


def json_stats(logger: logging.Logger, stats: dict[str, Any]) -> None:
    """One ``json_stats: {...}`` line: keys sorted, floats with exactly five decimals, as published."""
    printable = {key: _printable(value) for key, value in stats.items()}
    text = simplejson.dumps(printable, sort_keys=True, use_decimal=True, ignore_nan=True)
    logger.info("json_stats: %s", text, stacklevel=2)


def _printable(value: Any) -> Any:
    if isinstance(value, float) and math.isfinite(value):
        return Decimal(f"{value:.5f}")
    return value


def progress(items: Iterable[T], *, total: int, title: str) -> Iterable[T]:
    """``items`` with a bar, rate and time left if this is the first process on a terminal."""
    if hides_bars() or not collectives.is_main():
        yield from items
        return
    columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80  # 0: it does not say
    yield from tqdm(items, total=total, desc=title, leave=False, ncols=columns)


def eta(seconds: float) -> str:
    """H:MM:SS."""
    return str(datetime.timedelta(seconds=int(seconds)))


def gpu_gib() -> float:
    """Highest memory that tensors have used on this process's GPU, 0 without one."""
    return torch.cuda.max_memory_allocated() / GIB if torch.cuda.is_available() else 0.0


def gpu_memory() -> str:
    """``gpu_gib`` as published, 7.68G."""
    return f"{gpu_gib():.2f}G"


def ram_gib() -> float:
    """Memory of this process now."""
    return psutil.Process().memory_info().rss / GIB


def ram() -> str:
    """Used and total memory of the machine, as 10.31/125.60G."""
    memory = psutil.virtual_memory()
    return f"{(memory.total - memory.available) / GIB:.2f}/{memory.total / GIB:.2f}G"


class Scalars:
    """The numbers of a run, written by the first process: ``metrics.csv`` and TensorBoard."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        metrics: MetricsCSV | None = None,
        table: EpochTable | None = None,
    ) -> None:
        """``folder``: of TensorBoard events, None for none; ``table``: gets every row too."""
        self._metrics = metrics
        self._table = table
        self._writer = None
        if folder is not None and collectives.is_main():
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder))

    def __bool__(self) -> bool:
        return self._writer is not None

    def row(self, values: dict[str, Any]) -> None:
        """A row of ``metrics.csv``; its columns are ``metrics_csv.COLUMNS``."""
        if self._metrics is not None:
            self._metrics.add(values)
        if self._table is not None:
            for line in self._table.add(values):
                say(logger, "%s", line)

    def add(self, values: dict[str, float], step: int) -> None:
        """Points of TensorBoard curves."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    def add_figure(self, name: str, figure: Any, step: int) -> None:
        if self._writer is not None:
            self._writer.add_figure(name, figure, step)

    def flush(self) -> None:
        """Write everything to the files."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def build_scalars(cfg: CfgNode, *, epoch: int, batch: int = 0) -> Scalars:
    """``metrics.csv`` of OUTPUT_DIR, without rows later than the start; TensorBoard if enabled.

    ``batch`` of ``epoch``, both 0-based, is due.
    """
    metrics = table = None
    if collectives.is_main():
        metrics = MetricsCSV(Path(cfg.OUTPUT_DIR) / METRICS, epoch=epoch, batch=batch)
        table = EpochTable(
            cfg.SOLVER.MAX_EPOCH,
            first_batch=batch,
            multi_label=cfg.DATA.MULTI_LABEL,
            is_validated=lambda e: is_due(e, cfg.TRAIN.EVAL_PERIOD, cfg.SOLVER.MAX_EPOCH),
        )
    folder = build_board_folder(cfg) if cfg.TENSORBOARD.ENABLE else None
    return Scalars(folder, metrics=metrics, table=table)


def build_board_folder(cfg: CfgNode) -> Path:
    """The folder of TensorBoard events."""
    return Path(cfg.OUTPUT_DIR) / (cfg.TENSORBOARD.LOG_DIR or f"runs-{cfg.TRAIN.DATASET}")
