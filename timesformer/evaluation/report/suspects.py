"""Videos that a person should look at: confident errors, uncertain ones, labels that may be wrong."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from timesformer.evaluation.report.predictions import Predictions

MOST = 40  # of each kind


def gallery(predictions: Predictions, probabilities: np.ndarray) -> dict[str, list[dict[str, Any]]]:
    """The three kinds, those first that are worth a look most; probabilities (N, K)."""
    rows = np.arange(len(probabilities))
    confidence = probabilities[rows, predictions.predicted]
    margin = confidence - _second(probabilities)
    wrong = np.flatnonzero(predictions.predicted != predictions.labels)
    confident = wrong[np.argsort(-confidence[wrong], kind="stable")]
    uncertain = np.argsort(margin, kind="stable")
    suspects, suggested = mislabelled(probabilities, predictions.labels)

    def items(videos: Iterable[int]) -> list[dict[str, Any]]:
        return [gallery_item(predictions, i, confidence[i], margin[i]) for i in videos]

    found = items(suspects[:MOST].tolist())
    for item, label in zip(found, suggested.tolist(), strict=False):
        item |= {"suggested": label, "suggested_name": predictions.name(label)}
    return {
        "confident_errors": items(confident[:MOST].tolist()),
        "least_certain": items(uncertain[:MOST].tolist()),
        "mislabelled": found,
    }


def _second(probabilities: np.ndarray) -> np.ndarray:
    """The second highest probability of each row."""
    return np.asarray(np.partition(probabilities, -2, axis=1)[:, -2])


def gallery_item(
    predictions: Predictions, i: int, confidence: float, margin: float
) -> dict[str, Any]:
    """Video ``i`` with its label and prediction."""
    label, best = int(predictions.labels[i]), int(predictions.predicted[i])
    spans = predictions.spans
    start, end = (None, None) if spans is None or np.isnan(spans[i]).any() else spans[i].tolist()
    return {
        "path": predictions.keys[i],
        "label": label,
        "label_name": predictions.name(label),
        "prediction": best,
        "prediction_name": predictions.name(best),
        "confidence": float(confidence),
        "margin": float(margin),
        "start": start,
        "end": end,
    }


def mislabelled(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Videos whose label is likely wrong, the likeliest first, and the class that each seems to show.

    Confident learning (Northcutt et al., J. Artificial Intelligence Research 70, 2021): a class is
    confident about a video if its probability is at least its mean over the videos with that label. A
    label is suspect if the most probable of these classes is another one.
    """
    num_classes = probabilities.shape[1]
    rows = np.arange(len(labels))
    own = probabilities[rows, labels]
    support = np.bincount(labels, minlength=num_classes)
    sums = np.bincount(labels, weights=own, minlength=num_classes)
    threshold = np.divide(sums, support, out=np.full(num_classes, np.inf), where=support > 0)
    confident = np.where(probabilities >= threshold, probabilities, -1.0)
    best = confident.argmax(axis=1)
    height = confident[rows, best]
    suspect = np.flatnonzero((height > 0) & (best != labels))
    order = np.argsort((own - height)[suspect], kind="stable")
    return suspect[order], best[suspect[order]]
