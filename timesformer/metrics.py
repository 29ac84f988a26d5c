"""Accuracy, average precision and view ensembles: pure functions of scores and labels."""

import torch
from torch import Tensor


def topk_correct(scores: Tensor, labels: Tensor, k: int) -> Tensor:
    """Number of rows of ``scores`` (B, K) whose label (B,) is among the k highest, int64 scalar.

    Fewer than k classes: all of them count, where the published code crashed. Of several labels
    (B, K) multi-hot, one among the k highest suffices.
    """
    top = scores.topk(min(k, scores.shape[1]), dim=1).indices
    if labels.ndim == 2:
        return (labels.gather(1, top) > 0).any(dim=1).sum()
    return (top == labels[:, None]).any(dim=1).sum()


def ensemble(logits: Tensor, num_views: int, method: str) -> Tensor:
    """One score a class and video, (B * num_views, K) -> (B, K) float32.

    ``sum`` adds raw logits, as the published code does; ``max`` takes their maximum; ``softmax``
    averages class probabilities, as the paper says; ``sigmoid`` those of independent classes.
    """
    views = logits.float().unflatten(0, (-1, num_views))
    if method == "sum":
        return views.sum(dim=1)
    if method == "max":
        return views.amax(dim=1)
    if method == "sigmoid":
        return views.sigmoid().mean(dim=1)
    return views.softmax(dim=-1).mean(dim=1)


def accuracy(scores: Tensor, labels: Tensor, k: int) -> float:
    """Percentage of rows whose label is among the k highest; nan without rows."""
    if not len(labels):
        return torch.nan
    return 100.0 * topk_correct(scores, labels, k).item() / len(labels)


def mean_average_precision(scores: Tensor, labels: Tensor) -> float:
    """Mean over the classes that occur of their average precision, 0 .. 1; nan if none occurs.

    Args:
        scores: (B, K).
        labels: (B, K) multi-hot.
    """
    from sklearn.metrics import average_precision_score

    hot, values = labels.bool().cpu().numpy(), scores.float().cpu().numpy()
    classes = hot.any(axis=0).nonzero()[0]
    if not len(classes):
        return torch.nan
    return float(average_precision_score(hot[:, classes], values[:, classes], average="macro"))
