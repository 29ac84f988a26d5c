"""Statistics of an epoch, without a device sync between two log lines."""

import logging
import math
import statistics
import time

import torch
from fvcore.common.config import CfgNode
from torch import Tensor

from timesformer import distributed, metrics
from timesformer.engine import log

logger = logging.getLogger(__name__)


class EpochMeter:
    """Losses and errors of one training epoch: a line every LOG_PERIOD batches, and at its end.

    Errors are percentages over all processes. ``unreadable`` counts videos that were replaced.
    """

    def __init__(self, cfg: CfgNode, epoch: int, num_batches: int, scalars: log.Scalars) -> None:
        self.cfg = cfg
        self.epoch = epoch
        self.num_batches = num_batches
        self.scalars = scalars
        self.lr = 0.0
        self.unreadable = 0
        # (loss, top-1 errors, top-5 errors, clips, unreadable videos) of each batch, on the device
        self.window: list[Tensor] = []
        self.window_lrs: list[float] = []
        self.sums = torch.zeros(5, dtype=torch.float64)
        self.count = 0
        self.wait_seconds = self.window_wait = 0.0
        self.started = self.window_started = time.perf_counter()

    def waited(self, seconds: float) -> None:
        """Time that the loop waited for its next batch."""
        self.wait_seconds += seconds
        self.window_wait += seconds

    def update(
        self, loss: Tensor, logits: Tensor, labels: Tensor, lr: float, failures: tuple[str, ...]
    ) -> None:
        """Count one batch: a scalar loss, logits (B, K), labels (B,) or (B, K)."""
        errors = [len(labels) - metrics.topk_correct(logits, labels, k) for k in (1, 5)]
        counts = [torch.full_like(loss, len(counted)) for counted in (labels, failures)]
        self.window.append(torch.stack([loss, *(e.to(loss.dtype) for e in errors), *counts]))
        self.window_lrs.append(lr)
        self.lr = lr
        self.count += 1
        for message in failures:
            self.unreadable += 1
            logger.warning("video replaced by another: %s", message)
        if self.count % self.cfg.LOG_PERIOD == 0:
            self._log_window()

    def finish(self) -> None:
        """Log the rest and the epoch.

        Raises:
            FloatingPointError: the loss is not finite.
        """
        self._close_window()
        seconds = time.perf_counter() - self.started
        loss, top1, top5, clips, unreadable = self.sums.tolist()
        left = (self.cfg.SOLVER.MAX_EPOCH - self.epoch - 1) * seconds
        log.json_stats(
            logger,
            {
                "_type": "train_epoch",
                "epoch": self._epoch(),
                "dt": seconds / self.count,
                "dt_data": self.wait_seconds / self.count,
                "dt_net": (seconds - self.wait_seconds) / self.count,
                "eta": log.eta(left),
                "lr": self.lr,
                "gpu_mem": log.gpu_memory(),
                "RAM": log.ram(),
                "loss": loss / clips,
                "top1_err": 100.0 * top1 / clips,
                "top5_err": 100.0 * top5 / clips,
                "unreadable": int(unreadable),
            },
        )

    def _log_window(self) -> None:
        batches = len(self.window)
        rows = self._close_window()
        seconds = time.perf_counter() - self.window_started
        dt, dt_data = seconds / batches, self.window_wait / batches
        self.window_started, self.window_wait = time.perf_counter(), 0.0
        left = self.num_batches - self.count
        left += (self.cfg.SOLVER.MAX_EPOCH - self.epoch - 1) * self.num_batches
        log.json_stats(
            logger,
            {
                "_type": "train_iter",
                "epoch": self._epoch(),
                "iter": f"{self.count}/{self.num_batches}",
                "dt": dt,
                "dt_data": dt_data,
                "dt_net": dt - dt_data,
                "eta": log.eta(dt * left),
                "lr": self.lr,
                "gpu_mem": log.gpu_memory(),
                "loss": statistics.median(row[0] for row in rows),
                "top1_err": statistics.median(100.0 * row[1] / row[3] for row in rows),
                "top5_err": statistics.median(100.0 * row[2] / row[3] for row in rows),
                "unreadable": self.unreadable,
            },
        )

    def _close_window(self) -> list[list[float]]:
        """Bring the batches since the last line over from the device, summed over the processes."""
        if not self.window:
            return []
        window = torch.stack(self.window).double()
        window[:, 0] *= window[:, 3]  # the loss is a mean over the clips of a process
        window = distributed.total(window).cpu()
        lrs, self.window, self.window_lrs = self.window_lrs, [], []
        self.sums += window.sum(dim=0)
        window[:, 0] /= window[:, 3]
        rows: list[list[float]] = window.tolist()
        first = self.count - len(rows)
        for i, ((loss, top1, top5, clips, _), lr) in enumerate(
            zip(rows, lrs, strict=True), start=first
        ):
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"the loss is {loss} in epoch {self.epoch + 1}, batch {i + 1} of "
                    f"{self.num_batches}; lower SOLVER.BASE_LR or lengthen SOLVER.WARMUP_EPOCHS, and "
                    "start again: the newest checkpoint is from before"
                )
            step = self.num_batches * self.epoch + i
            names = ("Train/loss", "Train/Top1_err", "Train/Top5_err", "Train/lr")
            values = (loss, 100.0 * top1 / clips, 100.0 * top5 / clips, lr)
            self.scalars.add(dict(zip(names, values, strict=True)), step)
        return rows

    def _epoch(self) -> str:
        return f"{self.epoch + 1}/{self.cfg.SOLVER.MAX_EPOCH}"
