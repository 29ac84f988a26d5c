"""The parts of a training step, as PyTorch's profiler and a clock see them, for --profile.

data wait    the loader has no batch ready
copy         of a batch to the device, and its normalisation
forward      up to the loss
backward     gradients, and their all-reduce beside them
optimizer    the update of the weights
other        what remains: logs, meters, mixup, checkpoints
all-reduce   of gradients and of what is logged, wherever it is waited for
"""

import contextlib
import itertools
import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch
from torch.profiler import profile, record_function

from timesformer.runtime import collectives, log
from timesformer.tables import format_table

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

WARM_UP = 2  # steps that allocate and compile, before those that count
METHODS = {  # of a TrainStep, and the parts that they are
    "prepare": "copy",
    "forward": "forward",
    "backward": "backward",
    "update": "optimizer",
}
PARTS = ("data wait", *METHODS.values())
TRACE = "trace.json.gz"
_TOO_SHORT = (
    "nothing is recorded: the epoch ends with the %d batches that warm up; lower TRAIN.BATCH_SIZE, or "
    "use a longer train list"
)
_ALL_REDUCE = re.compile(r"(gloo|nccl):_?(all_?reduce|reduce_scatter|all_?gather)")


class StepTimers:
    """Times the parts of training steps: of ``num_steps`` after the warm-up, in the first process.

    On a GPU a recorded part ends when the GPU has done it, so that its time is its own.
    """

    def __init__(self, num_steps: int, folder: str | Path, device: torch.device) -> None:
        self.num_steps = num_steps if collectives.is_main() else 0
        self.folder = Path(folder)
        self.device = device
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._profile: profile | None = None
        self._recorded = 0
        self._started = 0.0

    def attach(self, step: object) -> None:
        """Time the METHODS of ``step``; without steps to record it stays as it is."""
        if self.num_steps:
            for method, part in METHODS.items():
                setattr(step, method, self._timed(part, getattr(step, method)))

    def _timed(self, part: str, call: Callable[P, T]) -> Callable[P, T]:
        def timed(*arguments: P.args, **options: P.kwargs) -> T:
            with self._part(part):
                return call(*arguments, **options)

        return timed

    @contextlib.contextmanager
    def _part(self, name: str) -> Iterator[None]:
        if self._profile is None:
            yield
            return
        started = time.perf_counter()
        with record_function(name):
            yield
            self._wait()
        self.seconds[name] += time.perf_counter() - started

    def batches(self, batches: Iterable[T]) -> Iterator[T]:
        """``batches``; after the last recorded step the table is logged and the trace written.

        An epoch of the warm-up alone gives a warning instead.
        """
        iterator = iter(batches)
        for i in itertools.count():
            if self.num_steps and i == WARM_UP:
                self._start()
            with self._part("data wait"):
                batch = next(iterator, None)
            if batch is None:
                break
            yield batch
            self._recorded += self._profile is not None
            if self._recorded == self.num_steps:
                self._finish()
        self._finish()

    def table(self, total: float, all_reduce: float) -> str:
        """Milliseconds a step and shares of ``total`` seconds."""
        rows = {**self.seconds, "other": total - sum(self.seconds.values())}
        cells = [
            (name, f"{1e3 * seconds / self._recorded:.1f}", f"{100 * seconds / total:.0f} %")
            for name, seconds in [*rows.items(), ("step", total), ("all-reduce", all_reduce)]
        ]
        table = format_table([("", "ms a step", "share"), *cells], right=(1, 2))
        return f"{table} (part of the above)"

    def _start(self) -> None:
        self._wait()
        self._profile = profile()
        self._profile.start()
        self._started = time.perf_counter()

    def _finish(self) -> None:
        if not self.num_steps:
            return
        total = time.perf_counter() - self._started
        finished, self._profile, self.num_steps = self._profile, None, 0
        if finished is not None:
            finished.stop()
        if finished is None or not self._recorded:
            logger.warning(_TOO_SHORT, WARM_UP)
            return
        path = self.folder / TRACE
        finished.export_chrome_trace(str(path))
        all_reduce = sum(
            event.device_time_total or event.cpu_time_total
            for event in finished.key_averages()
            if _ALL_REDUCE.match(event.key)
        )
        steps, table = self._recorded, self.table(total, all_reduce / 1e6)
        log.say(logger, "%d steps, after %d to warm up; trace: %s\n%s", steps, WARM_UP, path, table)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
