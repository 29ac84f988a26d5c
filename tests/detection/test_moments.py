"""Moments against many frames, scikit-learn, and a loop over segments."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tests.detection.made import random_columns
from timesformer.detection.metrics import Columns
from timesformer.detection.moments import (
    cut_time,
    highest,
    one_class_a_moment,
    per_frame_average_precisions,
    weighted_average_precision,
)

STEP = 0.1  # seconds, of which all times are multiples here


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("levels", [5, 1000])
def test_ap_is_scikit_learns(levels, weighted):
    rng = np.random.default_rng(levels)
    scores, is_true = rng.integers(0, levels, 300) / levels, rng.random(300) < 0.2
    weights = rng.random(300) if weighted else None
    expected = average_precision_score(is_true, scores, sample_weight=weights)
    assert weighted_average_precision(scores, is_true, weights) == pytest.approx(
        expected, abs=1e-12
    )


def test_what_weighs_nothing_does_not_count():
    scores, is_true = np.array([0.9, 0.8, 0.7]), np.array([True, False, True])
    assert weighted_average_precision(scores, is_true, np.array([0, 1, 1.0])) == pytest.approx(0.5)


def test_ap_without_anything_true_is_no_number():
    assert np.isnan(weighted_average_precision(np.ones(3), np.zeros(3, bool)))
    assert np.isnan(weighted_average_precision(np.empty(0), np.empty(0, bool)))


def on_frames(columns, video, label, duration, values):
    """The highest value at the middle of each frame."""
    middles = np.arange(round(duration / STEP)) * STEP + STEP / 2
    found = np.full(len(middles), -1.0)
    for i in np.flatnonzero((columns.video == video) & (columns.label == label)):
        covered = (columns.times[i, 0] < middles) & (middles < columns.times[i, 1])
        found[covered] = np.maximum(found[covered], values[i])
    return found


@pytest.mark.parametrize("seed", range(6))
def test_moments_are_frames_that_are_fine_enough(seed):
    truth, found = random_columns(np.random.default_rng(seed), annotations=20, ties=True)
    truth = Columns(truth.video, truth.label, truth.times.round(1), truth.scores)
    durations = np.array([60.0, 40.0, 55.5, 61.0])
    precisions = per_frame_average_precisions(truth, found, durations, 3)
    for label in range(3):
        scores, is_true = (
            np.concatenate([on_frames(part, v, label, durations[v], values) for v in range(4)])
            for part, values in ((found, found.scores), (truth, np.ones(len(truth))))
        )
        expected = average_precision_score(is_true > 0, scores)
        assert precisions[label] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_the_highest_is_that_of_a_loop(seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 3, 50)
    times = np.sort(rng.integers(0, 40, (50, 2)), axis=1).astype(float)
    values = rng.random(50)
    cells = cut_time(groups, times)
    expected = []
    for group, (start, end) in zip(cells.group, cells.times, strict=True):
        assert start < end
        covers = (groups == group) & (times[:, 0] <= start) & (end <= times[:, 1])
        expected.append(max(values[covers], default=-np.inf))
    np.testing.assert_array_equal(highest(cells, np.arange(50), values), expected)
    assert len(cut_time(groups[:0], times[:0]).group) == 0


def test_overlapping_segments_become_one_class_a_moment():
    """The third, of the highest place, cuts the first in two; two of one class that touch are one."""
    times = np.array([[0, 10], [10, 12], [4, 5], [20, 21], [20, 21]], float)
    segments = Columns(np.array([0, 0, 0, 1, 1]), np.array([7, 7, 3, 1, 2]), times, np.zeros(5))
    found = one_class_a_moment(segments, np.array([0, 1, 4, 2, 3]))
    rows = zip(found.video.tolist(), found.label.tolist(), found.times.tolist(), strict=True)
    assert list(rows) == [(0, 7, [0, 4]), (0, 3, [4, 5]), (0, 7, [5, 12]), (1, 2, [20, 21])]
