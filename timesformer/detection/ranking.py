"""Average precision of scores that carry weights: scikit-learn's, and the calibrated one.

Of N scores, from the highest on, equal ones together: how much weight each of G groups has so far. From
there on precision and recall are sums, so one sort serves many average precisions.
"""

import numpy as np


def weights_by_score(
    scores: np.ndarray, groups: np.ndarray, weights: np.ndarray, num_groups: int
) -> np.ndarray:
    """(num_groups, steps) weight of each group with a score of at least the step's, by falling score.

    Args:
        scores: (N,).
        groups: (N,) from 0 to num_groups - 1.
        weights: (N,) 0 or more.
        num_groups: G.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    step = np.append(False, ranked[1:] != ranked[:-1]).cumsum()[: len(ranked)]
    steps = int(step[-1]) + 1 if len(step) else 0
    flat = np.bincount(groups[order] * steps + step, weights[order], num_groups * steps)
    return np.asarray(flat.reshape(num_groups, steps).cumsum(axis=1))


def average_precision_of(right: np.ndarray, wrong: np.ndarray, *, scale: float = 1.0) -> float:
    """The sum of precision times the step of recall; nan if nothing is right.

    Args:
        right: (steps,) weight of what is true so far.
        wrong: (steps,) of what is not.
        scale: what ``wrong`` is multiplied by.
    """
    if not len(right) or right[-1] == 0:
        return float("nan")
    gains = np.diff(right, prepend=0.0)
    rows = np.flatnonzero(gains)
    precision = right[rows] / (right[rows] + scale * wrong[rows])
    return float((gains[rows] * precision).sum() / right[-1])


def calibrated_average_precision_of(right: np.ndarray, wrong: np.ndarray) -> float:
    """AP with the precision tp / (tp + fp / w), w being all that is wrong over all that is right.

    De Geest et al., Online Action Detection (2016): as if a class had as much background as action.
    """
    nothing = not len(right) or right[-1] == 0 or wrong[-1] == 0
    return average_precision_of(right, wrong, scale=1.0 if nothing else right[-1] / wrong[-1])
