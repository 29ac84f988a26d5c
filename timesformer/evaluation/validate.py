"""Validation between epochs: every video of val.csv once, the same clip every time."""

import logging
import time

import torch
from torch import Tensor, nn

from timesformer.config import CfgNode
from timesformer.datasets import build_loader
from timesformer.evaluation import metrics
from timesformer.evaluation.probe import input_normalizer
from timesformer.evaluation.results import NAMED, describe_unreadable
from timesformer.io.terminal import printable
from timesformer.runtime import collectives, local_rank, log, signals
from timesformer.runtime.precision import Precision
from timesformer.video import VideoError

logger = logging.getLogger(__name__)


_BETTER = {"top1_err": min, "top5_err": min, "map": max}


class Validator:
    """Top-1 and top-5 errors over exactly the readable videos of the val list.

    Mean average precision instead, where videos have several labels.
    """

    def __init__(self, cfg: CfgNode, device: torch.device) -> None:
        self.cfg = cfg
        self.device = device
        self.loader = build_loader(cfg, "val", folder=cfg.OUTPUT_DIR)
        self.normalize = input_normalizer(cfg)
        self.precision = Precision(cfg.TRAIN.PRECISION, device)
        self.measure = _precision if cfg.DATA.MULTI_LABEL else _errors
        self.best: dict[str, float] = {}  # of the run

    @torch.inference_mode()
    def run(self, model: nn.Module, epoch: int, scalars: log.Scalars) -> dict[str, float]:
        """Validate ``model`` (bare, not wrapped in DDP) after 0-based ``epoch``.

        Returns the errors in percent, ``top1_err`` and ``top5_err``, or ``map``, a fraction; neither
        if a score is not finite.

        Raises:
            VideoError: no video can be read.
            Interrupted: a signal asked for the end.
        """
        model.eval()
        self.loader.batch_sampler.set_epoch(epoch)
        self.loader.give_up = signals.requested
        started = time.perf_counter()
        scores, labels, indices, failures = [], [], [], []
        bar = log.progress(self.loader, total=len(self.loader), title="validation")
        for i, batch in enumerate(bar, start=1):
            for message in batch.failures:
                failures.append(message)
                logger.warning("video not validated: %s", message)
            if len(batch.labels):
                clips = self.normalize(batch.clips.to(self.device, non_blocking=True))
                with self.precision.autocast():
                    scores.append(model(clips).float())
                indices.append(batch.indices)
                labels.append(batch.labels.to(self.device, non_blocking=True))
            if i % self.cfg.LOG_PERIOD == 0 and labels:
                self._log_batch(scores[-1], labels[-1], i, epoch, started)
            if signals.requested():
                break
        signals.end_if_agreed("in a validation, which the same command repeats")
        nonfinite = self._nonfinite(scores, indices)
        found = self._report(scores, labels, failures, nonfinite, epoch, started, scalars)
        board = self.cfg.TENSORBOARD
        if (
            board.ENABLE
            and not nonfinite
            and (board.CONFUSION_MATRIX.ENABLE or board.HISTOGRAM.ENABLE)
        ):
            self._draw(scores, labels, epoch, scalars)
        return found

    def _log_batch(
        self, scores: torch.Tensor, labels: torch.Tensor, i: int, epoch: int, started: float
    ) -> None:
        """The published line of one batch, of this process."""
        seconds, batches = (time.perf_counter() - started) / i, len(self.loader)
        errors = {f"top{k}_err": 100.0 - metrics.accuracy(scores, labels, k) for k in (1, 5)}
        log.json_stats(
            logger,
            {
                "_type": "val_iter",
                "epoch": f"{epoch + 1}/{self.cfg.SOLVER.MAX_EPOCH}",
                "iter": f"{i}/{batches}",
                "eta": log.eta(seconds * (batches - i)),
                "time_diff": seconds,
                "gpu_mem": log.gpu_memory(),
                **errors,
            },
        )

    def _nonfinite(self, scores: list[Tensor], indices: list[Tensor]) -> int:
        """Videos of all processes whose scores are not finite, each named in the log."""
        rows = [(~metrics.finite_rows(of_batch)).cpu() for of_batch in scores]
        bad = [int(index) for row, of_batch in zip(rows, indices, strict=True)
               for index in of_batch[row]]  # fmt: skip
        everywhere = sorted(index for part in collectives.gather(bad) for index in part)
        for index in everywhere[:NAMED]:
            name = self.loader.dataset.videos.name(index)
            logger.warning("video not validated: %s: its scores are not finite", printable(name))
        if everywhere:
            logger.warning(
                "%d videos have scores that are not finite, so this validation has no accuracy and "
                "is not the best; set TRAIN.PRECISION fp32 if the weights are sound",
                len(everywhere),
            )
        return len(everywhere)

    def _report(
        self,
        scores: list[torch.Tensor],
        labels: list[torch.Tensor],
        failures: list[str],
        nonfinite: int,
        epoch: int,
        started: float,
        scalars: log.Scalars,
    ) -> dict[str, float]:
        counts = torch.tensor([sum(map(len, labels)), len(failures)], dtype=torch.float64)
        videos, unread = collectives.all_reduce_sum(counts.to(self.device)).tolist()
        if not videos:
            reasons = [text for part in collectives.gather(failures) for text in part]
            problem = describe_unreadable(self.loader.dataset.videos.origin, reasons)
            local_rank.raise_once(VideoError(problem), status=2)
        found = {} if nonfinite else self.measure(scores, labels, videos, self.device)
        for name, value in found.items():
            best = f"{_BETTER[name].__name__}_{name}"
            self.best[best] = _BETTER[name](self.best.get(best, value), value)
        titled = {f"Val/{name[0].upper()}{name[1:]}": value for name, value in found.items()}
        scalars.add(titled, epoch + 1)
        found |= {"videos": int(videos), "unreadable": int(unread)}
        unusual = {"nonfinite": nonfinite} if nonfinite else {}
        seconds = time.perf_counter() - started
        shared = {"dt": seconds / len(self.loader), "batches": len(self.loader)}
        shared |= {"gpu_gib": log.gpu_gib(), "ram_gib": log.ram_gib(), **found}
        scalars.row({"type": "val_epoch", "epoch": epoch + 1, "batch": 0, **shared})
        limited = self.loader.batch_sampler.limited  # type: ignore[union-attr]
        log.json_stats(
            logger,
            {
                "_type": "val_epoch",
                "epoch": f"{epoch + 1}/{self.cfg.SOLVER.MAX_EPOCH}",
                "time_diff": seconds,
                "gpu_mem": log.gpu_memory(),
                "RAM": log.ram(),
                **found,
                **unusual,
                **({"limited": limited} if limited else {}),
                **self.best,
            },
        )
        return found

    def _draw(
        self,
        scores: list[torch.Tensor],
        labels: list[torch.Tensor],
        epoch: int,
        scalars: log.Scalars,
    ) -> None:
        """Figures of the predictions of all processes."""
        from timesformer.evaluation.figures import build_figures

        pairs = [
            torch.stack([metrics.likeliest(of_batch, 1)[:, 0], true]).cpu()
            for of_batch, true in zip(scores, labels, strict=True)
        ]
        parts = [part for process in collectives.gather(pairs) for part in process]
        if scalars:
            predicted, true = torch.cat(parts, dim=1).numpy()
            for tag, figure in build_figures(self.cfg)(predicted, true).items():
                scalars.add_figure(tag, figure, epoch + 1)


def _errors(
    scores: list[Tensor], labels: list[Tensor], videos: float, device: torch.device
) -> dict[str, float]:
    """Percentages of the ``videos`` of all processes, from the batches of this one."""
    right = torch.zeros(2, dtype=torch.float64, device=device)
    for of_batch, true in zip(scores, labels, strict=True):
        right += torch.stack([metrics.topk_correct(of_batch, true, k) for k in (1, 5)])
    top1, top5 = collectives.all_reduce_sum(right).tolist()
    return {"top1_err": 100.0 * (1 - top1 / videos), "top5_err": 100.0 * (1 - top5 / videos)}


def _precision(
    scores: list[Tensor], labels: list[Tensor], _: float, __: torch.device
) -> dict[str, float]:
    """Mean average precision over the videos of all processes."""
    pairs = [(s.cpu(), y.cpu()) for s, y in zip(scores, labels, strict=True)]
    parts = [pair for process in collectives.gather(pairs) for pair in process]
    everything, hot = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return {"map": metrics.mean_average_precision(everything, hot)}
