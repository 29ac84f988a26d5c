"""Class probabilities of the scores of a test.

Scores are means or sums of probabilities, logits, or sums of logits over the V clips of a video. The
record of the run says which; of a file without one the numbers decide.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import expit, log_softmax, softmax

from timesformer.evaluation.report.predictions import Predictions

_TOLERANCE = 2e-3  # of a sum of probabilities, which are written with 6 digits
_MOST_TOLERANCE = 0.4  # of one whose probabilities are written with few digits


class ScoreKind(NamedTuple):
    """What scores are, and how that is known."""

    kind: str  # probabilities, logits, sum of probabilities, sum of logits
    views: float  # that a sum is divided by
    why: str


_OF_ENSEMBLE = {
    "softmax": "probabilities",
    "sigmoid": "probabilities",
    "max": "logits",
    "sum": "sum of logits",
}


def score_kind(predictions: Predictions) -> ScoreKind:
    """The kind of the scores of ``predictions``."""
    record, scores = predictions.record, predictions.scores
    views = record.num_views
    if record.ensemble in _OF_ENSEMBLE and (record.ensemble != "sum" or views):
        kind = _OF_ENSEMBLE[record.ensemble]
        clips = views if record.ensemble == "sum" and views else 1
        return ScoreKind(kind, clips, f"the run ensembled views by {record.ensemble}")
    if predictions.is_multi_label:
        if scores.min() >= 0 and scores.max() <= 1:
            return ScoreKind("probabilities", 1, "all scores lie in 0 .. 1")
        return ScoreKind("logits", 1, "there are scores outside 0 .. 1")
    sums = scores.sum(axis=1)
    views = max(round(float(np.median(sums))), 1)
    if scores.min() >= 0 and np.allclose(sums, views, rtol=_TOLERANCE, atol=_tolerance(scores)):
        kind = "probabilities" if views == 1 else "sum of probabilities"
        return ScoreKind(kind, views, f"no score is negative, and those of a video sum to {views}")
    return ScoreKind("logits", 1, "the scores of a video do not sum to 1")


def _tolerance(scores: np.ndarray) -> float:
    """How far a sum of K probabilities may be from a whole number: half of the last digit of each."""
    for digits in range(1, 6):
        half = 0.5 * 10.0**-digits * scores.shape[1]
        if all(np.array_equal(part.round(digits), part) for part in (scores[:100], scores)):
            return float(min(max(half, _TOLERANCE), _MOST_TOLERANCE))
    return _TOLERANCE


def class_probabilities(predictions: Predictions, temperature: float = 1.0) -> np.ndarray:
    """(N, K) float64; of one label a video rows sum to 1, up to the digits of the file."""
    kind = score_kind(predictions)
    if temperature == 1 and "probabilities" in kind.kind:
        return np.asarray(predictions.scores / kind.views)  # equal ones stay equal
    logits = class_logits(predictions) / temperature
    if predictions.is_multi_label:
        return np.asarray(expit(logits), dtype=np.float64)
    return np.asarray(softmax(logits, axis=1), dtype=np.float64)


def class_logits(predictions: Predictions) -> np.ndarray:
    """(N, K) float64 whose softmax, of several labels whose sigmoid, are the probabilities."""
    kind = score_kind(predictions)
    scores = predictions.scores / kind.views
    if "probabilities" not in kind.kind:
        return scores
    floor = np.finfo(np.float64).eps  # of probabilities that are written as 0
    if predictions.is_multi_label:
        inside = np.clip(scores, floor, 1 - floor)
        return np.asarray(np.log(inside) - np.log1p(-inside), dtype=np.float64)
    inside = np.maximum(scores, floor)
    return np.asarray(np.log(inside / inside.sum(axis=1, keepdims=True)), dtype=np.float64)


def log_likelihood(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean log probability of the true classes, in nats, of logits (N, K) and labels (N,)."""
    rows = np.arange(len(labels))
    return float(log_softmax(logits, axis=1)[rows, labels].mean())
