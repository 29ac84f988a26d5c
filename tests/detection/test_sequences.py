"""Edit score and F1 against MS-TCN's loops over frames."""

import itertools

import numpy as np
import pytest

from tests.detection.made import random_columns
from timesformer.detection.metrics import Columns
from timesformer.detection.sequences import edit_score, sequence_scores


def frames_of(columns, video, better, length=700):
    """A class a frame of 0.1 s, -1 without any; ``better`` sorts the row that counts last."""
    frames = np.full(length, -1)
    rows = sorted(np.flatnonzero(columns.video == video), key=better)
    for i in rows:
        start, end = (columns.times[i] * 10).round().astype(int)
        frames[max(start, 0) : max(end, 0)] = columns.label[i]
    return frames


def labels_and_times(frames):
    changes = [0, *(np.flatnonzero(frames[1:] != frames[:-1]) + 1), len(frames)]
    runs = [(frames[a], a, b) for a, b in itertools.pairwise(changes)]
    return [run for run in runs if run[0] >= 0]


def levenshtein(p, y):
    table = np.zeros((len(p) + 1, len(y) + 1))
    table[:, 0], table[0] = np.arange(len(p) + 1), np.arange(len(y) + 1)
    for j in range(1, len(y) + 1):
        for i in range(1, len(p) + 1):
            if y[j - 1] == p[i - 1]:
                table[i, j] = table[i - 1, j - 1]
            else:
                table[i, j] = min(table[i - 1, j], table[i, j - 1], table[i - 1, j - 1]) + 1
    return table[-1, -1]


def counts_of(predicted, true, least):
    """MS-TCN's f_score."""
    right, wrong, hits = 0, 0, np.zeros(len(true))
    for label, start, end in predicted:
        best = [
            (min(end, b) - max(start, a)) / (max(end, b) - min(start, a)) * (label == other)
            for other, a, b in true
        ]
        if best and max(best) >= least and not hits[np.argmax(best)]:
            right += 1
            hits[np.argmax(best)] = 1
        else:
            wrong += 1
    return np.array([right, wrong, len(true) - hits.sum()])


@pytest.mark.parametrize("seed", range(12))
def test_scores_are_those_of_frames(seed):
    rng = np.random.default_rng(seed)
    truth, found = random_columns(rng, annotations=25, detections=40 * (seed > 0))
    truth, found = (
        Columns(part.video, part.label, part.times.clip(0).round(1), part.scores)
        for part in (truth, found)
    )
    edits, counts = [], {10: 0, 25: 0, 50: 0}
    for video in range(4):
        true = labels_and_times(
            frames_of(
                truth, video, lambda i: (truth.times[i, 0], -truth.times[i, 1], truth.label[i])
            )
        )
        guessed = labels_and_times(frames_of(found, video, lambda i: found.scores[i]))
        longest = max(len(true), len(guessed), 1)
        names = [[row[0] for row in rows] for rows in (guessed, true)]
        edits.append(1 - levenshtein(*names) / longest)
        assert edit_score(names[1], names[0]) == pytest.approx(edits[-1])
        for least in counts:
            counts[least] = counts[least] + counts_of(guessed, true, least / 100)
    scores = sequence_scores(truth, found, 4)
    assert scores.edit == pytest.approx(np.mean(edits))
    for least, (right, wrong, missed) in counts.items():
        assert scores.f1[least] == pytest.approx(2 * right / (2 * right + wrong + missed))


def test_a_hand_made_case():
    """True a b a, found a a: one deletion of three. The first a overlaps by 0.4, the second is exact:
    of 3 annotations and 2 detections F1@25 is 2 x 2 / 5, F1@50 2 x 1 / 5."""
    truth = Columns(
        np.zeros(3, int), np.array([0, 1, 0]), np.array([[0, 10], [10, 20], [30, 40.0]]), np.ones(3)
    )
    found = Columns(
        np.zeros(2, int), np.array([0, 0]), np.array([[0, 4], [30, 40.0]]), np.array([0.5, 0.5])
    )
    scores = sequence_scores(truth, found, 1)
    assert scores.edit == pytest.approx(2 / 3)
    assert scores.f1 == pytest.approx({10: 4 / 5, 25: 4 / 5, 50: 2 / 5})


def test_nothing_where_nothing_is_is_right():
    assert edit_score([], []) == 1
    assert edit_score([1], []) == 0


def test_of_detections_with_equal_scores_the_first_class_counts():
    truth = Columns(np.zeros(1, int), np.zeros(1, int), np.array([[0, 10.0]]), np.ones(1))
    for order in ([0, 1], [1, 0]):
        times, scores = np.array([[0, 10.0], [0, 10.0]]), np.ones(2)
        found = Columns(np.zeros(2, int), np.array([0, 1]), times, scores).rows(np.array(order))
        assert sequence_scores(truth, found, 1).f1[50] == 1
