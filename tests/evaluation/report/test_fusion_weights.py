"""Weights of a fusion: given ones are checked, fitted ones are the most likely of all."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.report.made import random_scores, softmax
from timesformer.evaluation.report import fusion_weights
from timesformer.evaluation.report.fusion_weights import (
    FusionError,
    equal_weights,
    fit_weights,
    given_weights,
    observed_probabilities,
)
from timesformer.evaluation.report.predictions import Predictions
from timesformer.evaluation.report.records import RunRecord


def predictions(labels, scores, ensemble="softmax"):
    keys = tuple(map(str, range(len(labels))))
    record = RunRecord(results={"ensemble": ensemble} | ({"map": 1.0} if labels.ndim == 2 else {}))
    return Predictions(
        Path("p.csv"), "", keys, keys, labels, scores, scores.argmax(1), record=record
    )


def test_equal_weights_sum_to_1():
    assert equal_weights(4) == ((0.25,) * 4, "equal weights")


def test_given_weights_are_divided_by_their_sum():
    assert given_weights([7, 3], 2) == ((0.7, 0.3), "given weights")
    assert given_weights([0, 2], 2).values == (0, 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.5], "--weights has 1 numbers for 2 runs; give one each"),
        ([0.2] * 3, "--weights has 3 numbers for 2 runs; give one each"),
        ([0.5, -0.1], "--weights has -0.1; a weight is a number from 0"),
        ([0.5, np.nan], "--weights has nan; a weight is a number from 0"),
        ([np.inf, 1], "--weights has inf; a weight is a number from 0"),
        ([0, 0], "the numbers of --weights sum to 0; one of them must be above 0"),
    ],
)
def test_weights_that_are_none_are_refused(values, message):
    with pytest.raises(FusionError) as caught:
        given_weights(values, 2)
    assert str(caught.value) == message


def runs_of(num_runs, *, seed, several=False, num_videos=60, num_classes=4):
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_classes, size=num_videos)
    hot = rng.random((num_videos, num_classes)) < 0.3
    made = []
    for strength in rng.uniform(0, 3, size=num_runs):
        logits = 2 * rng.normal(size=(num_videos, num_classes))
        if several:
            logits += strength * (2 * hot - 1)
            made.append(predictions(hot, 1 / (1 + np.exp(-logits))))
        else:
            logits[np.arange(num_videos), labels] += strength
            made.append(predictions(labels, softmax(logits)))
    return made


def naive_likelihood(runs, weights):
    """A loop over videos and classes."""
    total, count = 0.0, 0
    for i in range(len(runs[0].keys)):
        mixed = sum(w * run.scores[i] for w, run in zip(weights, runs, strict=True))
        if runs[0].is_multi_label:
            for k, is_there in enumerate(runs[0].labels[i]):
                total += np.log(mixed[k] if is_there else 1 - mixed[k])
                count += 1
        else:
            total += np.log(mixed[runs[0].labels[i]])
            count += 1
    return total / count


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_no_weights_of_a_grid_are_likelier(seed, several):
    num_runs = 2 + seed % 2
    runs = runs_of(num_runs, seed=seed, several=several)
    found = fit_weights(runs)
    assert min(found.values) >= 0
    assert sum(found.values) == pytest.approx(1)
    best = naive_likelihood(runs, found.values)
    steps = 40 if num_runs == 2 else 12
    for parts in itertools.product(range(steps + 1), repeat=num_runs - 1):
        if sum(parts) <= steps:
            weights = [*(part / steps for part in parts), 1 - sum(parts) / steps]
            assert naive_likelihood(runs, weights) <= best + 1e-8
    equal = naive_likelihood(runs, [1 / num_runs] * num_runs)
    assert found.how == (
        f"weights fitted on 60 videos of val, log likelihood {best:.4f}, with equal weights {equal:.4f}"
    )


def test_a_run_that_knows_nothing_gets_no_weight():
    labels, scores = random_scores(200, 3, strength=4)
    noise = softmax(3 * np.random.default_rng(1).normal(size=scores.shape))
    found = fit_weights([predictions(labels, noise), predictions(labels, scores)])
    assert found.values[1] > 0.95
    sure = np.eye(3)[labels]
    wrong = np.roll(sure, 1, axis=1)
    assert fit_weights([predictions(labels, wrong), predictions(labels, sure)]).values[1] > 0.99


def test_equal_runs_have_equal_weights():
    run = runs_of(1, seed=0)[0]
    assert fit_weights([run, run, run]).values == pytest.approx([1 / 3] * 3)


def test_too_few_videos_are_refused():
    with pytest.raises(FusionError) as caught:
        fit_weights(runs_of(2, seed=0, num_videos=fusion_weights.FEWEST - 1))
    assert str(caught.value) == (
        "--weights auto: the runs have 9 videos of val in common; fitting needs 10 or more, so give "
        "numbers"
    )


def test_what_is_true_has_these_probabilities():
    labels, scores = random_scores(5, 3)
    found = observed_probabilities(predictions(labels, scores))
    assert found == pytest.approx([row[k] for row, k in zip(scores, labels, strict=True)])
    hot = np.array([[True, False, True]])
    found = observed_probabilities(predictions(hot, np.array([[0.25, 0.5, 0.75]]), "sigmoid"))
    assert found == pytest.approx([0.25, 0.5, 0.75])
