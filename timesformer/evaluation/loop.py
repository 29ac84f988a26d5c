"""The one loop of evaluation, clips -> forward -> scores, on any number of processes.

Validation, multi-view testing, prediction, feature extraction and probing all go through
``score_batches``; ``evaluate`` gathers its rows from all processes.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from timesformer.datasets.clips import Batch
from timesformer.datasets.loader import ClipLoader
from timesformer.evaluation.scoring import Scoring
from timesformer.models.classifier import Classifier
from timesformer.runtime import collectives, log, signals
from timesformer.video import TimeSpan

logger = logging.getLogger(__name__)


class Scores(NamedTuple):
    """One row for each of N videos, in the order of the list, on the CPU."""

    values: Tensor  # (N, K) float32 class scores, or (N, ...) features
    labels: Tensor  # (N,) int64, or (N, K) multi-hot
    indices: Tensor  # (N,) int64, of the videos in the list
    failures: dict[int, str]  # index of a video that has no row -> the reason
    spans: dict[int, TimeSpan | None]  # index -> the seconds that its clips show
    other_spans: Mapping[int, tuple[TimeSpan, ...]] = {}  # the same of further placements


class LoopProgress(NamedTuple):
    """How far the loop is on this process."""

    batch: int  # from 1
    num_batches: int
    seconds: float  # of a batch, so far
    eta: str


AfterBatch = Callable[[LoopProgress, Batch, Tensor], None]  # the rows are on the device


def evaluate(
    model: Classifier,
    loader: ClipLoader,
    scoring: Scoring,
    *,
    title: str = "evaluation",
    after_batch: AfterBatch | None = None,
) -> Scores:
    """Rows of all videos of ``loader``; all processes call it together and get the same.

    Videos that cannot be read are logged and end up in ``failures``. Rows that are not finite are kept.

    Raises:
        Interrupted: a signal asked for the end, before or during the evaluation.
        ConfigError: a forward batch does not fit into memory.
    """
    moment = f"during {title}; the same command repeats what is not done"
    signals.end_if_agreed(moment)
    loader.give_up = signals.requested
    model.eval()
    parts, started, num_batches = [], time.perf_counter(), len(loader)
    bar = log.progress(loader, total=num_batches, title=title)
    for i, (batch, rows) in enumerate(score_batches(model, bar, scoring), start=1):
        for message in batch.failures:
            logger.warning("video not scored: %s", message)
        parts.append(_part(batch, rows))
        if after_batch is not None:
            seconds = (time.perf_counter() - started) / i
            left = log.eta(seconds * (num_batches - i))
            after_batch(LoopProgress(i, num_batches, seconds, left), batch, rows)
        if signals.requested():
            break
    signals.end_if_agreed(moment)
    return merge(collectives.gather(merge(parts)))


def score_batches(
    model: Classifier, batches: Iterable[Batch], scoring: Scoring
) -> Iterator[tuple[Batch, Tensor]]:
    """Each batch with the rows (B, ...) of its readable videos, on the device."""
    for batch in batches:
        yield batch, scoring.score(model, batch.clips) if len(batch.clips) else torch.empty(0)


def _part(batch: Batch, rows: Tensor) -> Scores:
    failures = dict(zip(batch.failed.tolist(), batch.failures, strict=True))
    spans = dict(zip(batch.indices.tolist(), batch.spans, strict=True))
    others = dict(zip(batch.indices.tolist(), batch.other_spans, strict=False))
    return Scores(rows, batch.labels, batch.indices, failures, spans, others)


def merge(parts: Sequence[Scores]) -> Scores:
    """The videos of all ``parts`` in the order of the list, on the CPU."""
    nothing = torch.empty(0, dtype=torch.int64)
    filled = [part for part in parts if len(part.indices)]
    filled = filled or [Scores(torch.empty(0, 0), nothing, nothing, {}, {})]
    values, labels, indices = (
        torch.cat(column).cpu() for column in zip(*(part[:3] for part in filled), strict=True)
    )
    order = indices.argsort()
    failures = {index: reason for part in parts for index, reason in part.failures.items()}
    spans = {index: span for part in parts for index, span in part.spans.items()}
    others = {index: of for part in parts for index, of in part.other_spans.items()}
    failures = dict(sorted(failures.items()))
    return Scores(values[order], labels[order], indices[order], failures, spans, others)
