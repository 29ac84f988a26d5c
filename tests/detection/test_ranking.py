"""AP and calibrated AP against scikit-learn, and against loops over frames by their definition."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from timesformer.detection.ranking import (
    average_precision_of,
    calibrated_average_precision_of,
    weights_by_score,
)


def naive_calibrated(is_true, scores):
    """Mean over the true frames of the precision at the last frame of the same score."""
    w = (~is_true).sum() / is_true.sum()
    found = []
    for score in scores[is_true]:
        tp = (is_true & (scores >= score)).sum()
        fp = (~is_true & (scores >= score)).sum()
        found.append(tp / (tp + fp / w))
    return np.mean(found)


@pytest.mark.parametrize("levels", [4, 100_000])
@pytest.mark.parametrize("seed", range(5))
def test_both_are_those_of_loops(seed, levels):
    rng = np.random.default_rng(seed)
    scores = (rng.integers(0, levels, 200) / levels).astype(np.float32)
    is_true = rng.random(200) < rng.choice([0.05, 0.3, 0.8])
    is_true[0], is_true[1] = True, False
    wrong, right = weights_by_score(scores, is_true.astype(int), np.ones(200), 2)
    expected = average_precision_score(is_true, scores)
    assert average_precision_of(right, wrong) == pytest.approx(expected, abs=1e-12)
    expected = naive_calibrated(is_true, scores)
    assert calibrated_average_precision_of(right, wrong) == pytest.approx(expected, abs=1e-12)


def test_weights_are_repetitions():
    rng = np.random.default_rng(3)
    scores, groups = rng.integers(0, 9, 60) / 9, rng.integers(0, 3, 60)
    counts = rng.integers(0, 4, 60)
    weighted = weights_by_score(scores, groups, counts.astype(float), 3)
    many = weights_by_score(
        np.repeat(scores, counts), np.repeat(groups, counts), np.ones(counts.sum()), 3
    )
    np.testing.assert_allclose(weighted, many)


def test_without_anything_true_there_is_no_number_and_without_background_it_is_1():
    nothing = np.zeros(2)
    assert np.isnan(average_precision_of(nothing, np.ones(2)))
    assert np.isnan(calibrated_average_precision_of(nothing[:0], nothing[:0]))
    assert calibrated_average_precision_of(np.array([1.0, 2.0]), nothing) == 1
