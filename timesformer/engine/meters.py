"""Statistics of an epoch, without a device sync between two log lines."""

import logging
import math
import statistics
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor

from timesformer.engine.nonfinite import StepResult
from timesformer.engine.train_step import BatchResult
from timesformer.evaluation import metrics
from timesformer.runtime import collectives, log

logger = logging.getLogger(__name__)

T = TypeVar("T")


class EpochMeter:
    """Losses and errors of one training epoch: a line every LOG_PERIOD batches, and at its end.

    Losses and errors (percentages) are over all processes, and so are ``clips_per_second`` and
    ``unreadable``, the videos of the epoch that were replaced.

    A row of numbers of one batch: (loss, top-1 errors, top-5 errors, clips, unreadable videos, skipped
    steps). A batch whose loss is not finite has no part in losses and errors.
    """

    def __init__(
        self,
        epoch: int,
        num_batches: int,
        scalars: log.Scalars,
        *,
        log_period: int,
        num_epochs: int,
    ) -> None:
        """Of 0-based ``epoch``; a line every ``log_period`` batches."""
        self.epoch = epoch
        self.num_batches = num_batches
        self.scalars = scalars
        self.log_period = log_period
        self.num_epochs = num_epochs
        self.lr = 0.0
        self.grad_norm: Tensor | float | None = None
        self.pending: list[Tensor] = []  # rows of this process, on the device
        self.pending_lrs: list[float] = []
        self.window: list[list[float]] = []  # rows of all processes since the last line
        self.sums = torch.zeros(6, dtype=torch.float64)
        self.count = 0
        self.clock = Clock()
        self.window_clock = Clock()

    def timed(self, batches: Iterable[T]) -> Iterator[T]:
        """``batches``; the time that each of them is waited for is counted."""
        iterator = iter(batches)
        while True:
            started = time.perf_counter()
            batch = next(iterator, None)
            if batch is None:
                return
            seconds = time.perf_counter() - started
            self.clock.waited += seconds
            self.window_clock.waited += seconds
            yield batch

    def update(
        self,
        result: BatchResult,
        lr: float,
        failures: tuple[str, ...] = (),
        step: StepResult | None = None,
    ) -> None:
        """Count one batch, and the optimizer ``step`` that it has completed; read at log lines only."""
        loss, logits, labels = result
        errors = [len(labels) - metrics.topk_correct(logits, labels, k) for k in (1, 5)]
        counts = [torch.full_like(loss, len(counted)) for counted in (labels, failures)]
        skipped = torch.zeros_like(loss)
        if step is not None:
            self.grad_norm = step.norm
            if collectives.is_main():  # all processes skip, one counts
                skipped += step.skipped
        errors = [count.to(loss.dtype) for count in errors]
        self.pending.append(torch.stack([loss, *errors, *counts, skipped]))
        self.pending_lrs.append(lr)
        self.lr = lr
        self.count += 1
        self.clock.batches += 1
        self.window_clock.batches += 1
        for message in failures:
            logger.warning("video replaced by another: %s", message)
        if self.count % self.log_period == 0:
            self._log_window()

    def state_dict(self) -> dict[str, Any]:
        """What a run that resumes inside the epoch needs for the same statistics.

        All processes call it together, and get the same.
        """
        self._collect()
        sums = self.sums.tolist()
        norm = None if self.grad_norm is None else float(self.grad_norm)
        return {
            "count": self.count,
            "window": self.window,
            "sums": sums,
            "lr": self.lr,
            "grad_norm": norm,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue after the batches of a ``state_dict``; an empty one is that of the epoch's start."""
        if state:
            self.count, self.window = state["count"], [list(row) for row in state["window"]]
            self.sums = torch.tensor(state["sums"], dtype=torch.float64)
            self.lr = state["lr"]
            self.grad_norm = state.get("grad_norm")

    def finish(self) -> None:
        """Log the rest and the epoch."""
        self._collect()
        loss, top1, top5, clips, unreadable, skipped = self.sums.tolist()
        seconds = self.clock.seconds()
        values = {
            **self.clock.per_batch(seconds),
            "lr": self.lr,
            "loss": loss / clips if clips else math.nan,
            "top1_err": 100.0 * top1 / clips if clips else math.nan,
            "top5_err": 100.0 * top5 / clips if clips else math.nan,
            "unreadable": int(unreadable),
            "skipped_steps": int(skipped),
        }
        speed = {"clips_per_second": self.clock.batches * clips / max(self.count, 1) / seconds}
        left = (self.num_epochs - self.epoch - 1) * seconds
        stats = {"_type": "train_epoch", "epoch": self._epoch(), "eta": log.eta(left)}
        log.json_stats(logger, {**stats, "gpu_mem": log.gpu_memory(), "RAM": log.ram(), **values})
        self._row("train_epoch", values | speed)

    def _log_window(self) -> None:
        self._collect()
        rows, self.window = self.window, []
        clock, self.window_clock = self.window_clock, Clock()
        seconds = clock.seconds()
        # After resuming, the first rows are from before, and have no part in the time.
        clips = sum(row[3] for row in rows[-clock.batches :])
        finite = [row for row in rows if math.isfinite(row[0])]
        norm = {} if self.grad_norm is None else {"grad_norm": float(self.grad_norm)}
        values = {
            **clock.per_batch(seconds),
            "lr": self.lr,
            "loss": _median(row[0] for row in finite),
            "top1_err": _median(100.0 * row[1] / row[3] for row in finite),
            "top5_err": _median(100.0 * row[2] / row[3] for row in finite),
            "clips_per_second": clips / seconds,
            **norm,
            "unreadable": int(self.sums[4]),
            "skipped_steps": int(self.sums[5]),
        }
        left = self.num_batches - self.count
        left += (self.num_epochs - self.epoch - 1) * self.num_batches
        stats = {
            "_type": "train_iter",
            "epoch": self._epoch(),
            "iter": f"{self.count}/{self.num_batches}",
            "eta": log.eta(values["dt"] * left),
        }
        log.json_stats(logger, {**stats, "gpu_mem": log.gpu_memory(), **values})
        self._row("train_iter", values)
        names = {name: values[name] for name in ("clips_per_second", "dt_data", *norm)}
        names |= {"gpu_gib": log.gpu_gib(), "ram_gib": log.ram_gib()}
        step = self.num_batches * self.epoch + self.count - 1
        self.scalars.add({f"Train/{name}": value for name, value in names.items()}, step)

    def _row(self, kind: str, values: dict[str, Any]) -> None:
        values = {name: value for name, value in values.items() if name != "dt_net"}
        place = {"type": kind, "epoch": self.epoch + 1}
        place |= {"batch": self.count, "batches": self.num_batches}
        memory = {"gpu_gib": log.gpu_gib(), "ram_gib": log.ram_gib()}
        self.scalars.row({**place, **values, **memory})

    def _collect(self) -> None:
        """Bring the pending rows over from the device, summed over the processes."""
        if not self.pending:
            return
        pending = torch.stack(self.pending).double()
        pending[:, 0] *= pending[:, 3]  # the loss is a mean over the clips of a process
        pending = collectives.all_reduce_sum(pending).cpu()
        lrs, self.pending, self.pending_lrs = self.pending_lrs, [], []
        for row in pending:  # in this order also where a checkpoint comes in between
            self.sums += row if row.isfinite().all() else torch.cat([torch.zeros(4), row[4:]])
        pending[:, 0] /= pending[:, 3]
        rows: list[list[float]] = pending.tolist()
        self.window += rows
        first = self.num_batches * self.epoch + self.count - len(rows)
        names = ("Train/loss", "Train/Top1_err", "Train/Top5_err", "Train/lr")
        for step, (row, lr) in enumerate(zip(rows, lrs, strict=True), start=first):
            loss, top1, top5, clips = row[:4]
            values = (loss, 100.0 * top1 / clips, 100.0 * top5 / clips, lr)
            self.scalars.add(dict(zip(names, values, strict=True)), step)

    def _epoch(self) -> str:
        return f"{self.epoch + 1}/{self.num_epochs}"


class Clock:
    """Seconds since it was made, the part of them that was waiting for data, and the batches."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.waited = 0.0
        self.batches = 0

    def seconds(self) -> float:
        return time.perf_counter() - self.started

    def per_batch(self, seconds: float) -> dict[str, float]:
        """Of ``seconds`` in all: a batch, its waiting for data, and the rest."""
        dt, dt_data = seconds / max(self.batches, 1), self.waited / max(self.batches, 1)
        return {"dt": dt, "dt_data": dt_data, "dt_net": dt - dt_data}


def _median(values: Iterable[float]) -> float:
    found = list(values)
    return statistics.median(found) if found else math.nan
