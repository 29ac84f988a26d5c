"""What scores are, and the probabilities that they mean."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, softmax

from tests.evaluation.report.made import random_scores, write_csv
from timesformer.evaluation.report import probabilities
from timesformer.evaluation.report.predictions import read_predictions
from timesformer.evaluation.report.records import RunRecord


@pytest.fixture
def read(tmp_path):
    labels, chances = random_scores(40, 5)

    def of(scores, **record):
        file = write_csv(tmp_path / "test_predictions.csv", labels, scores)
        return replace(read_predictions(file), record=RunRecord(**record))

    return of, chances


def test_numbers_decide_where_nothing_is_recorded(read):
    of, chances = read
    logits = np.log(chances)
    for scores, kind in (
        (chances, "probabilities"),
        (30 * chances, "sum of probabilities"),
        (logits, "logits"),
    ):
        found = of(scores)
        assert probabilities.score_kind(found).kind == kind
        assert probabilities.class_probabilities(found) == pytest.approx(chances, abs=1e-5)


def test_the_record_decides_before_the_numbers(read):
    of, chances = read
    logits = 30 * np.log(chances)
    config = {
        "DATA": {"ENSEMBLE_METHOD": "sum"},
        "TEST": {"NUM_ENSEMBLE_VIEWS": 10, "NUM_SPATIAL_CROPS": 3},
    }
    for record in ({"results": {"ensemble": "sum", "views": 30}}, {"config": config}):
        found = of(logits, **record)
        kind = probabilities.score_kind(found)
        assert kind[:2] == ("sum of logits", 30)
        assert "ensembled views by sum" in kind.why
        assert probabilities.class_probabilities(found) == pytest.approx(chances, abs=1e-4)
    found = of(chances, results={"ensemble": "max"})
    assert probabilities.class_probabilities(found) == pytest.approx(softmax(found.scores, axis=1))


def test_several_labels_have_sigmoids(read, tmp_path):
    logits = np.random.default_rng(0).normal(size=(20, 4))
    labels = logits > 0.3
    labels[0] = [True, True, False, False]
    for scores in (logits, expit(logits)):
        found = read_predictions(write_csv(tmp_path / "p.csv", labels, scores, digits=12))
        assert probabilities.class_probabilities(found) == pytest.approx(expit(logits), abs=1e-6)
    cooled = probabilities.class_probabilities(found, 2.0)
    assert cooled == pytest.approx(expit(logits / 2), abs=1e-6)


def test_a_probability_of_0_stays_finite(read):
    of, _ = read
    certain = np.eye(5)[np.arange(40) % 5]
    found = of(certain)
    assert np.isfinite(probabilities.class_logits(found)).all()
    assert np.isfinite(
        probabilities.log_likelihood(probabilities.class_logits(found), found.labels)
    )


def test_probabilities_of_a_file_stay_as_they_are(tmp_path):
    """Two videos of equal confidence were told apart by the rounding of a softmax of their logarithms."""
    scores = np.array([[0.625, 0.375, 0], [0.625, 0.25, 0.125], [0.5, 0.5, 0]])
    found = read_predictions(write_csv(tmp_path / "p.csv", np.array([0, 1, 2]), scores))
    assert np.array_equal(probabilities.class_probabilities(found), scores)


@pytest.mark.parametrize(("digits", "num_classes"), [(1, 4), (2, 12), (3, 60), (2, 60)])
def test_probabilities_of_few_digits_are_no_logits(tmp_path, digits, num_classes):
    """Their sums are not 1, and a softmax of them was nearly the same for all classes."""
    labels, chances = random_scores(60, num_classes, strength=5)
    scores = chances.round(digits)
    found = read_predictions(write_csv(tmp_path / "p.csv", labels, scores))
    assert probabilities.score_kind(found)[:2] == ("probabilities", 1)
    assert np.array_equal(probabilities.class_probabilities(found), scores)


@pytest.mark.parametrize("digits", [0, 1, 2])
def test_logits_of_few_digits_are_no_probabilities(tmp_path, digits):
    labels, chances = random_scores(60, 5)
    logits = np.abs(np.log(chances)).round(digits)
    found = read_predictions(write_csv(tmp_path / "p.csv", labels, logits))
    assert probabilities.score_kind(found).kind == "logits"
