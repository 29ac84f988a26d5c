"""Average precision of videos with several labels; intervals by the jackknife over blocks of videos."""

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import t

from timesformer.evaluation.report.calibration import (
    expected_calibration_error,
    reliability_bins,
)
from timesformer.evaluation.report.classes import change_of, percent
from timesformer.evaluation.report.intervals import Interval, wilson_at
from timesformer.evaluation.report.predictions import Predictions
from timesformer.evaluation.report.probabilities import class_probabilities

MOST_BLOCKS = 50


class Precisions(NamedTuple):
    """Average precisions 0 .. 1, nan of classes without videos."""

    of_class: np.ndarray  # (K,)
    without: np.ndarray  # (blocks, K), of all videos but those of a block

    @property
    def mean(self) -> float:
        return float(_known_mean(self.of_class[None])[0])

    @property
    def means_without(self) -> np.ndarray:
        """The mean over the classes without each block, (blocks,)."""
        return _known_mean(self.without)


def _known_mean(values: np.ndarray) -> np.ndarray:
    """The mean of each row (rows, K) without its nan; nan of a row that has no other."""
    known = np.isfinite(values)
    count, nothing = known.sum(axis=1), np.full(len(values), np.nan)
    summed = np.where(known, values, 0).sum(axis=1)
    return np.asarray(np.divide(summed, count, out=nothing, where=count > 0))


def average_precisions(
    scores: np.ndarray, labels: np.ndarray, groups: np.ndarray | None
) -> Precisions:
    """Of scores (N, K) and labels (N, K) bool; groups (N,) codes stay together in a block."""
    units = np.arange(len(scores)) if groups is None else groups
    blocks = jackknife_blocks(units)
    kept = np.ones((blocks.max() + 2, len(scores)))  # the last row: all videos
    kept[blocks, np.arange(len(scores))] = 0
    columns = [_one_class(scores[:, k], labels[:, k], kept) for k in range(labels.shape[1])]
    found = np.stack(columns, axis=1)
    return Precisions(found[-1], found[:-1])


def jackknife_blocks(units: np.ndarray) -> np.ndarray:
    """(N,) the block of each video; units (N,) of one code are in one block."""
    count = int(units.max()) + 1
    shuffled = np.random.default_rng(0).permutation(count)
    blocks: np.ndarray = shuffled[units] % MOST_BLOCKS
    codes: np.ndarray = np.unique(blocks, return_inverse=True)[1]
    return codes


def _one_class(scores: np.ndarray, hot: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The average precision for each row of ``kept`` (rows, N) 0 or 1; nan without positives.

    Precision at each threshold, weighted by the recall that it adds; equal scores are one threshold.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    kept = kept[:, order]
    hits = (kept * hot[order]).cumsum(axis=1)[:, ends]
    seen = kept.cumsum(axis=1)[:, ends]
    precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
    gained = np.diff(hits, axis=1, prepend=0)
    total = hits[:, -1]
    summed = (precision * gained).sum(axis=1)
    nothing = np.full(len(total), np.nan)
    return np.asarray(np.divide(summed, total, out=nothing, where=total > 0))


def jackknife_interval(value: float, without: np.ndarray) -> Interval | None:
    """Of ``value`` 0 .. 1 and its values without each block; None if one of them is not defined."""
    blocks = len(without)
    if blocks < 2 or not np.isfinite(without).all():
        return None
    variance = (blocks - 1) / blocks * float(((without - without.mean()) ** 2).sum())
    spread = value * (1 - value)
    effective = spread / variance if variance > 1e-15 and spread > 0 else float(blocks)
    low, high = wilson_at(value, effective, float(t.ppf(0.975, blocks - 1)))
    return Interval(low, high, f"jackknife over {blocks} blocks of videos")


def calibration_error(probabilities: np.ndarray, hot: np.ndarray) -> float:
    """How far the probabilities (N,) of one class are from how often it is there, 0 .. 1.

    The mean distance over bins of equally many videos, as of one label a video.
    """
    return expected_calibration_error(reliability_bins(probabilities, hot))


def precision_rows(
    predictions: Predictions,
    found: Precisions,
    *,
    train_videos: np.ndarray | None,
    change: np.ndarray | None,
) -> list[dict[str, Any]]:
    """A row for each class; percent, but ``ece`` 0 .. 1. See ``classes.class_rows``."""
    support = predictions.labels.sum(axis=0)
    probabilities = class_probabilities(predictions)
    rows = []
    for k in range(predictions.num_classes):
        value = float(found.of_class[k])
        known = np.isfinite(value)
        interval = jackknife_interval(value, found.without[:, k]) if known else None
        rows.append(
            {
                "label": k,
                "name": predictions.name(k),
                "support": int(support[k]),
                "average_precision": 100 * value if known else None,
                "interval": percent(interval) if interval else None,
                "ece": calibration_error(probabilities[:, k], predictions.labels[:, k]),
                "train_videos": None if train_videos is None else int(train_videos[k]),
                "change": change_of(k, change),
            }
        )
    return rows
