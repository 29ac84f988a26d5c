"""Whether probabilities are true: reliability, errors of calibration, accuracy against coverage.

Videos of equal confidence share their accuracy, so that nothing depends on the order of the videos.
"""

from typing import Any

import numpy as np

from timesformer.evaluation.report.intervals import mean_interval

NUM_BINS = 15  # of equally many videos
MOST_POINTS = 200


def reliability_bins(
    confidence: np.ndarray, right: np.ndarray, groups: np.ndarray | None = None
) -> list[dict[str, Any]]:
    """At most NUM_BINS bins of equally many videos, the least confident first; all numbers 0 .. 1.

    Args:
        confidence: (N,) probability of the prediction.
        right: (N,) bool.
        groups: (N,) codes.
    """
    order = np.argsort(confidence, kind="stable")
    shared = _shared(confidence, right)
    bins = []
    for part in np.array_split(order, NUM_BINS):
        if len(part):
            accuracy = float(shared[part].mean())
            codes = None if groups is None else np.unique(groups[part], return_inverse=True)[1]
            interval = mean_interval(accuracy, (right[part] - accuracy) / len(part), codes)
            bins.append(
                {
                    "videos": len(part),
                    "low": float(confidence[part[0]]),
                    "high": float(confidence[part[-1]]),
                    "confidence": float(confidence[part].mean()),
                    "accuracy": accuracy,
                    "interval": [interval.low, interval.high],
                }
            )
    return bins


def _shared(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """How often videos of the same confidence are right, (N,)."""
    _, codes = np.unique(confidence, return_inverse=True)
    share: np.ndarray = np.bincount(codes, weights=right) / np.bincount(codes)
    return share[codes]


def expected_calibration_error(bins: list[dict[str, Any]]) -> float:
    """The mean distance of accuracy and confidence over all videos, 0 .. 1."""
    videos = sum(part["videos"] for part in bins)
    gaps = (part["videos"] * abs(part["accuracy"] - part["confidence"]) for part in bins)
    return float(sum(gaps) / videos)


def brier_score(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The mean squared distance of probabilities (N, K) from the truth, 0 .. 2."""
    rows = np.arange(len(labels))
    squares = (probabilities**2).sum(axis=1) - 2 * probabilities[rows, labels] + 1
    return float(squares.mean())


def calibration(
    probabilities: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
    groups: np.ndarray | None = None,
) -> dict[str, Any]:
    """All figures of calibration of probabilities (N, K), labels and predictions (N,)."""
    rows = np.arange(len(labels))
    confidence, right = probabilities[rows, predicted], labels == predicted
    bins = reliability_bins(confidence, right, groups)
    floor = np.finfo(np.float64).eps
    return {
        "ece": expected_calibration_error(bins),
        "log_likelihood": float(np.log(np.maximum(probabilities[rows, labels], floor)).mean()),
        "brier": brier_score(probabilities, labels),
        "confidence": float(confidence.mean()),
        "bins": bins,
    }


def coverage_curve(confidence: np.ndarray, right: np.ndarray) -> list[dict[str, float]]:
    """Accuracy of the videos that are at least as confident as a threshold, for thresholds downwards."""
    thresholds, codes = np.unique(confidence, return_inverse=True)
    videos = np.bincount(codes)[::-1].cumsum()
    hits = np.bincount(codes, weights=right)[::-1].cumsum()
    thresholds = thresholds[::-1]
    wanted = np.linspace(1, len(confidence), MOST_POINTS)
    chosen = np.unique(np.searchsorted(videos, wanted.round()))
    return [
        {
            "coverage": float(videos[i] / len(confidence)),
            "threshold": float(thresholds[i]),
            "accuracy": float(100 * hits[i] / videos[i]),
        }
        for i in chosen
    ]
