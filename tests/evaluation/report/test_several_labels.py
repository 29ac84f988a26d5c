"""Average precision against scikit-learn, the jackknife against its definition and against the truth."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from timesformer.evaluation.report import several_labels


def made(num_videos, num_classes, *, seed=0, digits=1):
    rng = np.random.default_rng(seed)
    labels = rng.random((num_videos, num_classes)) < 0.2
    scores = (labels + rng.normal(size=labels.shape)).round(digits)
    return scores, labels


def test_precisions_with_ties_are_those_of_scikit_learn():
    scores, labels = made(120, 5)
    labels[:, 3] = False
    found = several_labels.average_precisions(scores, labels, None)
    for k in (0, 1, 2, 4):
        theirs = average_precision_score(labels[:, k], scores[:, k])
        assert found.of_class[k] == pytest.approx(theirs)
    assert np.isnan(found.of_class[3])
    assert found.mean == pytest.approx(np.mean(found.of_class[[0, 1, 2, 4]]))


@pytest.mark.parametrize("grouped", [False, True])
def test_each_block_is_left_out_once_and_groups_stay_together(grouped):
    scores, labels = made(120, 3)
    units = np.arange(120) // 4 if grouped else np.arange(120)
    blocks = several_labels.jackknife_blocks(units)
    found = several_labels.average_precisions(scores, labels, units if grouped else None)
    assert len(found.without) == blocks.max() + 1 == (30 if grouped else 50)
    assert all(len(set(blocks[units == unit])) == 1 for unit in set(units))
    for block in (0, 7):
        kept = blocks != block
        theirs = [average_precision_score(labels[kept, k], scores[kept, k]) for k in range(3)]
        assert found.without[block] == pytest.approx(theirs)


def test_95_of_100_intervals_hold_the_mean_of_a_large_sample():
    scores, labels = made(40_000, 3, seed=1, digits=8)
    truth = several_labels.average_precisions(scores, labels, None).mean
    held = 0
    for i in range(100):
        part = slice(400 * i, 400 * (i + 1))
        found = several_labels.average_precisions(scores[part], labels[part], None)
        low, high, _ = several_labels.jackknife_interval(found.mean, found.means_without)
        held += low <= truth <= high
    assert held >= 90


def test_an_interval_that_is_not_defined_is_none():
    assert several_labels.jackknife_interval(0.5, np.array([0.5])) is None
    assert several_labels.jackknife_interval(0.5, np.array([0.5, np.nan])) is None
    low, high, _ = several_labels.jackknife_interval(1.0, np.ones(50))
    assert (low < 0.95, high) == (True, 1)


def test_a_class_is_calibrated_if_it_is_there_as_often_as_its_probability_says():
    rng = np.random.default_rng(0)
    probabilities = rng.random(30_000)
    hot = rng.random(30_000) < probabilities
    assert several_labels.calibration_error(probabilities, hot) < 0.02
    order = np.array_split(np.argsort(probabilities**2), 15)
    gaps = [abs(hot[part].mean() - (probabilities[part] ** 2).mean()) for part in order]
    found = several_labels.calibration_error(probabilities**2, hot)
    assert found == pytest.approx(np.mean(gaps))
