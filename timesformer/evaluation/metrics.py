"""Accuracy, average precision, results of classes, view ensembles: pure functions of scores and labels.

Ties have one rule everywhere: of equal scores the lowest class index comes first. A row with a score
that is not finite (nan or infinite) is never right.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class ClassResults(NamedTuple):
    """What single classes reach; classes without videos have nan.

    ``accuracy`` is top-1 in percent, of several labels the average precision (0 .. 1). ``chance`` is
    the same figure of a guess that looks at no video, its mean over the classes; ``majority`` is the
    top-1 accuracy of always naming the commonest class, nan for several labels.
    """

    videos: np.ndarray  # (K,) int64
    right: np.ndarray  # (K,) int64; of several labels all 0
    accuracy: np.ndarray  # (K,) float64
    mean: float  # over the classes that occur
    chance: float
    majority: float
    confused: tuple[tuple[int, int, int], ...] = ()  # (true, predicted, videos), most first


def likeliest(scores: Tensor, k: int) -> Tensor:
    """The ``k`` classes of the highest scores, best first, (..., K) -> (..., min(k, K)) int64.

    Equal scores are in the order of the classes, and nan is the lowest of all.
    """
    ordered = torch.where(scores.isnan(), -torch.inf, scores)
    if k == 1:
        return ordered.max(dim=-1, keepdim=True).indices  # of equal ones the first
    return ordered.sort(dim=-1, descending=True, stable=True).indices[..., :k]


def finite_rows(scores: Tensor) -> Tensor:
    """Whether all scores of a row are numbers, (B, K) -> (B,) bool."""
    return scores.isfinite().all(dim=1)


def describe_nonfinite(scores: Tensor) -> str:
    """What is wrong with ``scores`` of any shape that are not all finite, and the remedy."""
    bad = scores[~scores.isfinite()]
    return (
        f"{len(bad)} of {scores.numel()} scores are not finite (the first: {bad[0].item()}); check the "
        "weights, or use precision fp32"
    )


def topk_correct(scores: Tensor, labels: Tensor, k: int) -> Tensor:
    """Number of rows of ``scores`` (B, K) whose label (B,) is among the k highest, int64 scalar.

    Fewer than k classes: all of them count, where the published code crashed. Of several labels
    (B, K) multi-hot, one among the k highest suffices.
    """
    if labels.ndim == 2:
        right = (labels.gather(1, likeliest(scores, k)) > 0).any(dim=1)
    else:  # the rank of the label; sorting all scores takes 5 times as long
        own = scores.gather(1, labels[:, None])
        lower = torch.arange(scores.shape[1], device=scores.device) < labels[:, None]
        right = ((scores > own) | ((scores == own) & lower)).sum(dim=1) < k
    return (right & finite_rows(scores)).sum()


def ensemble(logits: Tensor, num_views: int, method: str) -> Tensor:
    """One score a class and video, (B * num_views, K) -> (B, K) float32.

    ``sum`` adds raw logits, as the published code does; ``max`` takes their maximum; ``softmax``
    averages class probabilities, as in the paper; ``sigmoid`` averages those of independent classes.
    """
    views: Tensor = logits.float().unflatten(0, (-1, num_views))
    if method == "sum":
        return views.sum(dim=1)
    if method == "max":
        return views.amax(dim=1)
    if method == "sigmoid":
        return views.sigmoid().mean(dim=1)
    return views.softmax(dim=-1).mean(dim=1)


def probabilities(
    scores: Tensor,
    num_views: int,
    method: str,
    *,
    multi_label: bool,
    temperature: float | None = None,
) -> Tensor:
    """Class probabilities of what ``ensemble`` returned, (..., K) -> (..., K), in the same order.

    Sums of logits become their mean first, so that more views do not make the model more confident.
    A ``temperature`` divides the logits; where probabilities were averaged, those of their mean.
    """
    if method in ("softmax", "sigmoid"):
        if temperature is None:
            return scores
        logits = scores.log() if method == "softmax" else scores.logit()
    else:
        logits = scores / num_views if method == "sum" else scores
    if temperature is not None:
        logits = logits / temperature
    return logits.sigmoid() if multi_label else logits.softmax(dim=-1)


def accuracy(scores: Tensor, labels: Tensor, k: int) -> float:
    """Percentage of rows whose label is among the k highest; nan without rows."""
    if not len(labels):
        return torch.nan
    return 100.0 * topk_correct(scores, labels, k).item() / len(labels)


def mean_average_precision(scores: Tensor, labels: Tensor) -> float:
    """Mean over the classes that occur of their average precision, 0 .. 1.

    nan if no class occurs, or if a score is not finite.

    Args:
        scores: (B, K).
        labels: (B, K) multi-hot.
    """
    found = average_precisions(scores, labels)
    found = found[~np.isnan(found)]
    return float(found.mean()) if len(found) else torch.nan


def average_precisions(scores: Tensor, labels: Tensor) -> np.ndarray:
    """Average precision of each class, (K,) float64; nan for classes that do not occur.

    All are nan if a score is not finite. Shapes as in ``mean_average_precision``.
    """
    from sklearn.metrics import average_precision_score

    found = np.full(labels.shape[1], np.nan)
    if not scores.isfinite().all():
        return found
    hot, values = labels.bool().cpu().numpy(), scores.float().cpu().numpy()
    for k in np.flatnonzero(hot.any(axis=0)):
        found[k] = average_precision_score(hot[:, k], values[:, k])
    return found


def class_results(scores: Tensor, labels: Tensor) -> ClassResults:
    """Results of single classes, of finite ``scores`` (B, K), B > 0, and ``labels`` (B,) or (B, K)."""
    num_classes = scores.shape[1]
    if labels.ndim == 2:
        precisions, videos = average_precisions(scores, labels), labels.bool().sum(dim=0).numpy()
        # What a random order of the videos has on average.
        shares = videos[videos > 0] / len(labels)
        mean = float(np.nanmean(precisions)) if len(shares) else np.nan
        chance = float(shares.mean()) if len(shares) else np.nan
        return ClassResults(videos, np.zeros_like(videos), precisions, mean, chance, np.nan)
    matrix = np.zeros((num_classes, num_classes), np.int64)  # true, predicted
    np.add.at(matrix, (labels.numpy(), likeliest(scores, 1)[:, 0].numpy()), 1)
    videos, right = matrix.sum(axis=1), matrix.diagonal().copy()
    shares = np.full(num_classes, np.nan)
    np.divide(100.0 * right, videos, out=shares, where=videos > 0)
    np.fill_diagonal(matrix, 0)
    pairs = [(int(i), int(j), int(matrix[i, j])) for i, j in np.argwhere(matrix)]
    return ClassResults(
        videos,
        right,
        shares,
        float(np.nanmean(shares)),
        100.0 / num_classes,
        100.0 * float(videos.max()) / len(labels),
        tuple(sorted(pairs, key=lambda pair: (-pair[2], *pair[:2]))),
    )
