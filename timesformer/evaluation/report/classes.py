"""What single classes reach and what is confused with what, of one label a video."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform
from scipy.stats import spearmanr

from timesformer.evaluation.report.intervals import Interval, mean_interval, share_interval
from timesformer.evaluation.report.predictions import Predictions

MOST_PAIRS = 20


def confusion_counts(predictions: Predictions) -> np.ndarray:
    """(K, K) int64 videos by true and predicted class."""
    k = predictions.num_classes
    cells = predictions.labels * k + predictions.predicted
    return np.bincount(cells, minlength=k * k).reshape(k, k)


def mean_class_accuracy(
    predictions: Predictions, groups: np.ndarray | None
) -> tuple[float, Interval]:
    """The mean of the accuracies of the classes that occur, 0 .. 1."""
    labels = predictions.labels
    right = (labels == predictions.predicted).astype(np.float64)
    support = np.bincount(labels, minlength=predictions.num_classes)
    hits = np.bincount(labels, weights=right, minlength=predictions.num_classes)
    met = support > 0
    accuracy = np.divide(hits, support, out=np.zeros(len(support)), where=met)
    value = float(accuracy[met].mean())
    units = support if groups is None else _groups_of_classes(labels, groups, len(support))
    # A class of one unit shows no spread: it lends that of all such classes.
    alone = units[labels] == 1
    centre = accuracy[labels]
    centre[alone] = right[alone].mean() if alone.any() else 0
    unbiased = np.sqrt(units / np.maximum(units - 1, 1))[labels]
    influence = (right - centre) * unbiased / (support[labels] * met.sum())
    freedom = _freedom_of_classes(units[met])
    return value, mean_interval(value, influence, groups, most_freedom=freedom)


def _freedom_of_classes(units: np.ndarray) -> float:
    """Degrees of freedom of a mean of classes with ``units`` (M,) videos or groups each.

    Satterthwaite's, of classes whose videos have one spread: those of few videos make most of that of the
    mean, and show little of their own.
    """
    parts = 1.0 / units
    return float(parts.sum() ** 2 / (parts**2 / np.maximum(units - 1, 1)).sum())


def _groups_of_classes(labels: np.ndarray, groups: np.ndarray, num_classes: int) -> np.ndarray:
    """(K,) number of groups that have videos of each class."""
    pairs = np.unique(np.stack([labels, groups]), axis=1)
    return np.bincount(pairs[0], minlength=num_classes)


def macro_f1(predictions: Predictions, groups: np.ndarray | None) -> tuple[float, Interval]:
    """The mean F1 of the classes that occur as label or prediction, 0 .. 1."""
    labels, predicted, k = predictions.labels, predictions.predicted, predictions.num_classes
    right = labels == predicted
    size = np.bincount(labels, minlength=k) + np.bincount(predicted, minlength=k)
    hits = np.bincount(labels[right], minlength=k)
    met = size > 0
    f1 = np.divide(2.0 * hits, size, out=np.zeros(k), where=met)
    value = float(f1[met].mean())
    share = np.divide(1.0, size, out=np.zeros(k), where=met) / met.sum()
    influence = 2 * right * share[labels]
    influence = influence - (f1 * share)[labels] - (f1 * share)[predicted]
    return value, mean_interval(value, influence, groups)


def class_rows(
    predictions: Predictions,
    counts: np.ndarray,
    groups: np.ndarray | None,
    *,
    train_videos: np.ndarray | None,
    change: np.ndarray | None,
) -> list[dict[str, Any]]:
    """A row for each class; percent.

    Args:
        predictions: of N videos.
        counts: (K, K), see ``confusion_counts``.
        groups: (N,) codes.
        train_videos: (K,) of the train list.
        change: (K,) points against another run, nan: unknown.
    """
    labels = predictions.labels
    right = labels == predictions.predicted
    order = np.argsort(labels, kind="stable")
    support = counts.sum(axis=1)
    bounds = np.concatenate([[0], support.cumsum()])
    size = support + counts.sum(axis=0)
    rows = []
    for k in range(len(counts)):
        videos = order[bounds[k] : bounds[k + 1]]
        accuracy = 100.0 * int(counts[k, k]) / len(videos) if len(videos) else None
        interval = share_interval(right[videos], _codes(groups, videos)) if len(videos) else None
        named = int(counts[:, k].sum())
        rows.append(
            {
                "label": k,
                "name": predictions.name(k),
                "support": int(support[k]),
                "right": int(counts[k, k]),
                "accuracy": accuracy,
                "interval": None if interval is None else percent(interval),
                "precision": 100 * float(counts[k, k] / named) if named else None,
                "f1": 100 * float(2 * counts[k, k] / size[k]) if size[k] else None,
                "most_confused": _most_confused(predictions, counts[k], k),
                "train_videos": None if train_videos is None else int(train_videos[k]),
                "change": change_of(k, change),
            }
        )
    return rows


def change_of(k: int, change: np.ndarray | None) -> dict[str, float] | None:
    """The change of the class ``k`` in points, None if it is not known."""
    known = change is not None and np.isfinite(change[k])
    return {"accuracy": float(change[k])} if change is not None and known else None


def percent(interval: Interval) -> list[float]:
    """Low and high of an interval in percent."""
    return [100 * interval.low, 100 * interval.high]


def _codes(groups: np.ndarray | None, videos: np.ndarray) -> np.ndarray | None:
    """Groups of some videos, numbered from 0; none if each video is alone."""
    if groups is None:
        return None
    codes = np.unique(groups[videos], return_inverse=True)[1]
    return None if codes.max() + 1 == len(videos) else codes


def _most_confused(predictions: Predictions, row: np.ndarray, k: int) -> dict[str, Any] | None:
    wrong = row.copy()
    wrong[k] = 0
    if not wrong.any():
        return None
    label = int(wrong.argmax())
    return {"label": label, "name": predictions.name(label), "videos": int(wrong[label])}


def confused_pairs(
    predictions: Predictions, counts: np.ndarray, confidence: np.ndarray
) -> list[dict[str, Any]]:
    """The pairs of classes with the most errors; the example is the most confident error, (N,)."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    places = np.argsort(-wrong, axis=None, kind="stable")[:MOST_PAIRS]
    pairs = []
    for i, j in zip(*np.unravel_index(places, wrong.shape), strict=True):
        if not wrong[i, j]:
            break
        videos = np.flatnonzero((predictions.labels == i) & (predictions.predicted == j))
        example = int(videos[confidence[videos].argmax()])
        pairs.append(
            {
                "true": int(i),
                "true_name": predictions.name(int(i)),
                "predicted": int(j),
                "predicted_name": predictions.name(int(j)),
                "videos": int(wrong[i, j]),
                "share": 100 * float(wrong[i, j] / counts[i].sum()),
                "example": predictions.keys[example],
            }
        )
    return pairs


def clustered_order(counts: np.ndarray) -> list[int]:
    """An order of the K classes in which those that are confused stand together.

    Classes that are neither label nor prediction come last.
    """
    met = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    rest = np.setdiff1d(np.arange(len(counts)), met).tolist()
    if len(met) < 3:
        return [*met.tolist(), *rest]
    part = counts[np.ix_(met, met)]
    shares = part / np.maximum(part.sum(axis=1, keepdims=True), 1)
    alike = shares + shares.T
    distance = 1 / (1 + 20 * alike)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    return [*met[leaves_list(tree)].tolist(), *rest]


def frequency_correlation(
    accuracies: Sequence[float | None], train_videos: np.ndarray
) -> dict[str, float] | None:
    """Spearman's rho of accuracy and number of training videos; None if it is not defined."""
    known = [
        (a, n) for a, n in zip(accuracies, train_videos.tolist(), strict=True) if a is not None
    ]
    values = np.array(known)
    if len(known) < 3 or (np.ptp(values, axis=0) == 0).any():
        return None
    found = spearmanr(values[:, 0], values[:, 1])
    return {"spearman": float(found.statistic), "p": float(found.pvalue)}
