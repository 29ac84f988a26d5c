"""mAP and AR against loops over detections, written by the definition."""

import numpy as np
import pytest

from tests.detection.made import random_columns
from timesformer.detection.matching import tiou
from timesformer.detection.metrics import Columns, average_recall, mean_average_precision

TIOUS = (0.1, 0.3, 0.5, 0.7, 0.95)


def overlap(a, b):
    common = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    whole = (b[1] - b[0]) + (a[1] - a[0]) - common
    return common / whole if whole > 0 else 0.0


def naive_ap(truth, found, label, least):
    """ActivityNet's compute_average_precision_detection, detection by detection."""
    annotations = [
        (truth.video[i], *truth.times[i]) for i in range(len(truth)) if truth.label[i] == label
    ]
    annotations.sort(key=lambda row: row[1:])
    if not annotations:
        return np.nan
    detections = [
        (-found.scores[i], found.video[i], *found.times[i])
        for i in range(len(found))
        if found.label[i] == label
    ]
    locked, right = set(), []
    for _, video, start, end in sorted(detections):
        there = [k for k, row in enumerate(annotations) if row[0] == video]
        best = sorted(there, key=lambda k: (overlap((start, end), annotations[k][1:]), k))[::-1]
        free = [
            k
            for k in best
            if overlap((start, end), annotations[k][1:]) >= least and k not in locked
        ]
        right.append(bool(free))
        locked |= set(free[:1])
    true, total = np.cumsum(right), np.arange(1, len(right) + 1)
    precision = np.concatenate([[0], true / total, [0]])
    recall = np.concatenate([[0], true / len(annotations), [1]])
    for i in range(len(precision) - 2, -1, -1):
        precision[i] = max(precision[i], precision[i + 1])
    changes = np.flatnonzero(recall[1:] != recall[:-1]) + 1
    return sum((recall[i] - recall[i - 1]) * precision[i] for i in changes)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_ap_is_that_of_the_loop(seed, ties):
    rng = np.random.default_rng(seed)
    size = {"annotations": int(rng.integers(1, 40)), "detections": int(rng.integers(0, 90))}
    truth, found = random_columns(rng, ties=ties, **size)
    if seed % 3 == 0:  # annotations that occur twice
        truth = truth.rows(rng.integers(0, len(truth), len(truth)))
    precisions = mean_average_precision(truth, found, TIOUS, 3)
    expected = [[naive_ap(truth, found, k, least) for k in range(3)] for least in TIOUS]
    np.testing.assert_allclose(precisions, expected, rtol=0, atol=1e-12)


def columns(*rows):
    """(video, label, start, end, score)"""
    table = np.array(rows, float).reshape(-1, 5)
    whole = table[:, :2].astype(np.int64)
    return Columns(whole[:, 0], whole[:, 1], table[:, 2:4], table[:, 4])


def test_a_hand_made_case():
    """Class 0 has two annotations. By score: right (tIoU 0.8), wrong (taken already), right (tIoU 0.5):
    precisions 1, 1/2, 2/3, made falling 1, 2/3; AP = (1 + 2/3) / 2 at 0.5, and 1/2 at 0.6."""
    truth = columns((0, 0, 0, 10, 1), (1, 0, 0, 10, 1))
    found = columns((0, 0, 0, 8, 0.9), (0, 0, 0, 9, 0.8), (1, 0, 5, 10, 0.7))
    precisions = mean_average_precision(truth, found, [0.5, 0.6], 2)
    assert precisions[:, 0] == pytest.approx([5 / 6, 1 / 2])
    assert np.isnan(precisions[:, 1]).all()


def test_equal_scores_are_taken_by_video_and_start_in_any_order_of_the_file():
    truth = columns((0, 0, 0, 1, 1), (1, 0, 4, 5, 1))
    rows = [(0, 0, 0, 1, 0.5), (0, 0, 7, 8, 0.5), (1, 0, 4, 5, 0.5)]
    found = {
        float(mean_average_precision(truth, columns(*(rows[i] for i in order)), [0.5], 1)[0, 0])
        for order in [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)]
    }
    (found,) = found
    assert found == pytest.approx((1 + 2 / 3) / 2)


def test_empty_segments_are_wrong_and_nothing_breaks():
    truth = columns((0, 0, 1, 2, 1))
    empty = columns((0, 0, 1, 1, 0.9))
    assert mean_average_precision(truth, empty, [0.1], 1) == [[0]]
    assert mean_average_precision(truth, columns(), [0.1], 1) == [[0]]
    assert tiou(np.array([1.0, 1]), np.array([1.0, 1])) == 0


def test_blocks_of_pairs_change_nothing(monkeypatch):
    truth, found = random_columns(np.random.default_rng(1), annotations=60, detections=300)
    at_once = mean_average_precision(truth, found, TIOUS, 3)
    monkeypatch.setattr("timesformer.detection.matching.MOST_PAIRS", 7)
    np.testing.assert_array_equal(mean_average_precision(truth, found, TIOUS, 3), at_once)


def naive_recall(truth, found, count):
    recalls = []
    for least in np.arange(0.5, 0.96, 0.05).round(2):
        hits = 0
        for k in range(len(truth)):
            rows = [i for i in range(len(found)) if found.video[i] == truth.video[k]]
            rows.sort(key=lambda i: (-found.scores[i], *found.times[i], found.label[i]))
            hits += any(overlap(found.times[i], truth.times[k]) >= least for i in rows[:count])
        recalls.append(hits / len(truth))
    return np.mean(recalls)


@pytest.mark.parametrize("seed", range(8))
def test_recall_is_that_of_the_loop(seed):
    truth, found = random_columns(np.random.default_rng(seed), detections=60, ties=seed % 2 > 0)
    recalls = average_recall(truth, found, (1, 3, 10))
    assert recalls == pytest.approx({n: naive_recall(truth, found, n) for n in (1, 3, 10)})


def test_recall_of_nothing_is_0():
    truth, found = random_columns(np.random.default_rng(0), detections=0)
    assert set(average_recall(truth, found).values()) == {0}


def test_of_annotations_that_overlap_equally_the_last_one_is_found():
    """As in the published code: the first detection takes the later annotation, so the second is wrong."""
    truth = columns((0, 0, 0, 10, 1), (0, 0, 10, 20, 1))
    found = columns((0, 0, 5, 15, 0.9), (0, 0, 10, 20, 0.8))
    assert mean_average_precision(truth, found, [0.3], 1) == [[0.5]]
