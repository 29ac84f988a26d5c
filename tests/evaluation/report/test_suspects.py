"""Videos to look at, against the definitions as loops."""

import numpy as np
import pytest

from tests.evaluation.report.made import random_scores, write_csv
from timesformer.evaluation.report import suspects
from timesformer.evaluation.report.predictions import read_predictions


@pytest.fixture
def made(tmp_path):
    labels, probabilities = random_scores(300, 4, strength=3)
    return read_predictions(write_csv(tmp_path / "p.csv", labels, probabilities, digits=17))


def test_labels_that_were_changed_are_found():
    labels, probabilities = random_scores(500, 5, strength=6)
    wrong = np.arange(0, 500, 25)
    changed = labels.copy()
    changed[wrong] = (labels[wrong] + 1) % 5
    found, suggested = suspects.mislabelled(probabilities, changed)
    first = set(found[: len(wrong)].tolist())
    assert len(first & set(wrong.tolist())) >= 17
    named = {i: k for i, k in zip(found.tolist(), suggested.tolist(), strict=True) if i in wrong}
    assert np.mean([labels[i] == k for i, k in named.items()]) > 0.9


def test_they_are_those_of_confident_learning_as_loops(made):
    probabilities, labels = made.scores, made.labels
    means = [probabilities[labels == k, k].mean() for k in range(4)]
    expected = {}
    for i, row in enumerate(probabilities):
        confident = [k for k in range(4) if row[k] >= means[k]]
        best = max(confident, key=lambda k: row[k], default=None)
        if best is not None and best != labels[i]:
            expected[i] = (row[labels[i]] - row[best], best)
    found, suggested = suspects.mislabelled(probabilities, labels)
    assert found.tolist() == sorted(expected, key=lambda i: expected[i][0])
    assert suggested.tolist() == [expected[i][1] for i in found.tolist()]


def test_a_class_without_videos_suggests_itself_never():
    labels, probabilities = random_scores(100, 4)
    labels[labels == 3] = 0
    assert 3 not in suspects.mislabelled(probabilities, labels)[1]


def test_errors_and_doubts_are_in_order(made):
    found = suspects.gallery(made, made.scores)
    errors = found["confident_errors"]
    assert all(item["label"] != item["prediction"] for item in errors)
    sure = [item["confidence"] for item in errors]
    assert sure == sorted(sure, reverse=True)
    wrong = made.predicted != made.labels
    assert sure[0] == made.scores[wrong].max()
    margins = [item["margin"] for item in found["least_certain"]]
    ordered = np.sort(made.scores, axis=1)
    assert margins == pytest.approx(np.sort(ordered[:, -1] - ordered[:, -2])[:40])
    assert all(len(items) <= 40 for items in found.values())
