"""Calibration against torchmetrics, scikit-learn and loops."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from tests.evaluation.report.made import random_scores
from timesformer.evaluation.report import calibration


@pytest.fixture
def made():
    labels, probabilities = random_scores(600, 7, strength=2.5)
    return labels, probabilities, probabilities.argmax(axis=1)


def test_the_error_is_the_mean_gap_of_15_bins_of_equally_many_videos(made):
    labels, probabilities, predicted = made
    found = calibration.calibration(probabilities, labels, predicted)
    order = sorted(range(600), key=lambda i: probabilities[i].max())
    total = 0
    for b in range(15):
        part = order[40 * b : 40 * (b + 1)]
        right = sum(labels[i] == predicted[i] for i in part)
        total += abs(right - sum(probabilities[i].max() for i in part))
        assert found["bins"][b]["accuracy"] == pytest.approx(right / 40)
    assert found["ece"] == pytest.approx(total / 600)


def test_with_equal_widths_it_would_be_that_of_torchmetrics(made):
    labels, probabilities, predicted = made
    confidence, right = probabilities.max(axis=1), labels == predicted
    codes = np.ceil(confidence * 15) - 1
    bins = [
        {"videos": n, "accuracy": right[codes == b].mean(), "confidence": confidence[codes == b].mean()}
        for b in range(15)
        if (n := int((codes == b).sum()))
    ]  # fmt: skip
    theirs = multiclass_calibration_error(
        torch.tensor(probabilities), torch.tensor(labels), num_classes=7, n_bins=15
    )
    ours = calibration.expected_calibration_error(bins)
    assert ours == pytest.approx(theirs.item(), abs=1e-6)


def test_likelihood_and_brier_are_those_of_loops_and_scikit_learn(made):
    labels, probabilities, predicted = made
    found = calibration.calibration(probabilities, labels, predicted)
    assert found["log_likelihood"] == pytest.approx(-log_loss(labels, probabilities))
    squares = [
        sum((p - (k == label)) ** 2 for k, p in enumerate(row))
        for row, label in zip(probabilities, labels, strict=True)
    ]
    assert found["brier"] == pytest.approx(np.mean(squares))
    assert found["confidence"] == pytest.approx(probabilities.max(axis=1).mean())


def test_nothing_depends_on_the_order_of_videos_of_equal_confidence():
    confidence = np.repeat([0.5, 1.0], 50)
    right = np.tile([True, False, True, True], 25)
    shuffled = np.random.default_rng(0).permutation(100)
    a = calibration.reliability_bins(confidence, right)
    b = calibration.reliability_bins(confidence[shuffled], right[shuffled])
    assert [part["accuracy"] for part in a] == [part["accuracy"] for part in b]
    assert calibration.coverage_curve(confidence, right) == calibration.coverage_curve(
        confidence[shuffled], right[shuffled]
    )


def test_accuracy_at_each_coverage_is_that_of_the_most_confident():
    rng = np.random.default_rng(1)
    confidence, right = rng.random(1000).round(2), rng.random(1000) < 0.6
    points = calibration.coverage_curve(confidence, right)
    assert len(points) <= 200
    assert points[-1]["coverage"] == 1
    for point in points:
        kept = confidence >= point["threshold"]
        assert point["coverage"] == kept.mean()
        assert point["accuracy"] == pytest.approx(100 * right[kept].mean())


def test_one_video_is_one_bin():
    probabilities = np.array([[0.2, 0.8]])
    found = calibration.calibration(probabilities, np.array([0]), np.array([1]))
    assert [part["videos"] for part in found["bins"]] == [1]
    assert found["ece"] == pytest.approx(0.8)
    points = calibration.coverage_curve(np.array([0.8]), np.array([False]))
    assert points == [{"coverage": 1.0, "threshold": 0.8, "accuracy": 0.0}]
