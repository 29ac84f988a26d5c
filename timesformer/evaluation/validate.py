"""Validation between epochs: every video of val.csv once, the same clip every time."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from timesformer.config import CfgNode
from timesformer.datasets.clips import Batch
from timesformer.datasets.loader import ClipLoader
from timesformer.evaluation import metrics
from timesformer.evaluation.loop import LoopProgress, Scores, evaluate
from timesformer.evaluation.probe import build_input_normalizer
from timesformer.evaluation.results import NAMED, describe_unreadable
from timesformer.evaluation.scoring import Scoring
from timesformer.io.terminal import printable
from timesformer.models.classifier import Classifier
from timesformer.runtime import local_rank, log
from timesformer.runtime.precision import Precision
from timesformer.video import VideoError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

_BETTER = {"top1_err": min, "top5_err": min, "map": max}  # metric -> which of two values is better

DrawFigures = Callable[[np.ndarray, np.ndarray], "dict[str, Figure]"]  # scores (N, K), labels
Measure = Callable[[Tensor, Tensor], dict[str, float]]  # scores (N, K), labels (N,) or (N, K)


@dataclass
class Validator:
    """Top-1 and top-5 errors over exactly the readable videos of the val list, or other metrics."""

    loader: ClipLoader
    scoring: Scoring
    measure: Measure
    num_epochs: int
    log_period: int  # batches
    draw: DrawFigures | None = None
    best: dict[str, float] = field(default_factory=dict)  # of the run

    def run(self, model: Classifier, epoch: int, scalars: log.Scalars) -> dict[str, float]:
        """Validate ``model`` (bare, not wrapped in DDP) after 0-based ``epoch``.

        Returns what ``measure`` returns, and nothing of it if a score is not finite, then the numbers of
        ``videos`` and of ``unreadable`` ones.

        Raises:
            VideoError: no video can be read.
            Interrupted: a signal asked for the end.
        """
        self.loader.batch_sampler.set_epoch(epoch)
        started = time.perf_counter()

        def log_batch(progress: LoopProgress, batch: Batch, rows: Tensor) -> None:
            if progress.batch % self.log_period == 0 and len(batch.labels):
                self._log_batch(progress, batch, rows, epoch)

        scores = evaluate(
            model, self.loader, self.scoring, title="validation", after_batch=log_batch
        )
        if not len(scores.indices):
            origin = self.loader.dataset.videos.origin
            problem = describe_unreadable(origin, scores.failures.values())
            local_rank.raise_once(VideoError(problem), status=2)
        nonfinite = self._nonfinite(scores)
        found = {} if nonfinite else self.measure(scores.values, scores.labels)
        found |= {"videos": len(scores.indices), "unreadable": len(scores.failures)}
        self._report(found, nonfinite, epoch, time.perf_counter() - started, scalars)
        if self.draw is not None and scalars and not nonfinite:
            for tag, figure in self.draw(scores.values.numpy(), scores.labels.numpy()).items():
                scalars.add_figure(tag, figure, epoch + 1)
        return found

    def _log_batch(self, progress: LoopProgress, batch: Batch, rows: Tensor, epoch: int) -> None:
        """The published line of one batch, of this process."""
        labels = batch.labels.to(rows.device)
        errors = {f"top{k}_err": 100.0 - metrics.accuracy(rows, labels, k) for k in (1, 5)}
        log.json_stats(
            logger,
            {
                "_type": "val_iter",
                "epoch": f"{epoch + 1}/{self.num_epochs}",
                "iter": f"{progress.batch}/{progress.num_batches}",
                "eta": progress.eta,
                "time_diff": progress.seconds,
                "gpu_mem": log.gpu_memory(),
                **errors,
            },
        )

    def _nonfinite(self, scores: Scores) -> int:
        """Number of videos whose scores are not finite; the first ones are named in the log."""
        bad = scores.indices[~metrics.finite_rows(scores.values)].tolist()
        for index in bad[:NAMED]:
            name = self.loader.dataset.videos.name(index)
            logger.warning("video not validated: %s: its scores are not finite", printable(name))
        if bad:
            logger.warning(
                "%d videos have scores that are not finite, so this validation has no accuracy and "
                "is not the best; set TRAIN.PRECISION fp32 if the weights are sound",
                len(bad),
            )
        return len(bad)

    def _report(
        self,
        found: dict[str, float],
        nonfinite: int,
        epoch: int,
        seconds: float,
        scalars: log.Scalars,
    ) -> None:
        """Curves, the row of ``metrics.csv``, and the published line."""
        measured = {name: found[name] for name in _BETTER if name in found}
        for name, value in measured.items():
            best = f"{_BETTER[name].__name__}_{name}"
            self.best[best] = _BETTER[name](self.best.get(best, value), value)
        titled = {f"Val/{name[0].upper()}{name[1:]}": value for name, value in measured.items()}
        scalars.add(titled, epoch + 1)
        batches = len(self.loader)
        row = {"type": "val_epoch", "epoch": epoch + 1, "batch": 0, "batches": batches}
        row |= {"dt": seconds / batches, "gpu_gib": log.gpu_gib(), "ram_gib": log.ram_gib()}
        scalars.row(row | found)
        limited = self.loader.batch_sampler.limited
        log.json_stats(
            logger,
            {
                "_type": "val_epoch",
                "epoch": f"{epoch + 1}/{self.num_epochs}",
                "time_diff": seconds,
                "gpu_mem": log.gpu_memory(),
                "RAM": log.ram(),
                **found,
                **({"nonfinite": nonfinite} if nonfinite else {}),
                **({"limited": limited} if limited else {}),
                **self.best,
            },
        )


def build_validator(
    cfg: CfgNode, loader: ClipLoader, device: torch.device, best: dict[str, float]
) -> Validator:
    """The configured validation of ``loader``; it keeps the best metrics of the run in ``best``."""
    precision = Precision(cfg.TRAIN.PRECISION, device)
    draw = None
    if cfg.TENSORBOARD.ENABLE:
        from timesformer.evaluation.figures import build_figures

        draw = build_figures(cfg)
    return Validator(
        loader,
        Scoring(device, build_input_normalizer(cfg), precision.autocast),
        mean_average_precision if cfg.DATA.MULTI_LABEL else top_errors,
        num_epochs=cfg.SOLVER.MAX_EPOCH,
        log_period=cfg.LOG_PERIOD,
        draw=draw,
        best=best,
    )


def top_errors(scores: Tensor, labels: Tensor) -> dict[str, float]:
    """Top-1 and top-5 errors in percent, of scores (N, K) and labels (N,)."""
    right = {k: metrics.topk_correct(scores, labels, k).item() for k in (1, 5)}
    return {f"top{k}_err": 100.0 * (1 - count / len(labels)) for k, count in right.items()}


def mean_average_precision(scores: Tensor, labels: Tensor) -> dict[str, float]:
    """``map``, a fraction, of scores (N, K) and multi-hot labels (N, K)."""
    return {"map": metrics.mean_average_precision(scores, labels)}
