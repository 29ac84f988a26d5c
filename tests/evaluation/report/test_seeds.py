"""Seeds of one configuration: mean, spread and Welch's test, against scipy."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import sem, t, ttest_ind

from tests.evaluation.report.made import random_scores, write_csv
from timesformer.evaluation.report.predictions import read_predictions
from timesformer.evaluation.report.records import RunRecord
from timesformer.evaluation.report.seeds import compare_seeds


@pytest.fixture
def run(tmp_path):
    def make(number, depth=12, *, seed=None):
        labels, scores = random_scores(50, 3, seed=number)
        config = {"RNG_SEED": number if seed is None else seed, "OUTPUT_DIR": f"out/{number}",
                  "TIMESFORMER": {"DEPTH": depth}, "DATA_LOADER": {"NUM_WORKERS": number},
                  "TEST": {"CHECKPOINT_FILE_PATH": f"out/{number}/best", "BATCH_SIZE": 8}}  # fmt: skip
        file = write_csv(tmp_path / f"{number}.csv", labels, scores)
        return replace(read_predictions(file), record=RunRecord(config=config))

    return make


def values_of(runs):
    return [100 * (run.predicted == run.labels).mean() for run in runs]


def test_two_configurations_of_several_seeds(run):
    a, b = [run(1), run(2), run(3)], [run(4, 6), run(5, 6)]
    found = compare_seeds([*a, *b], list("abcde"))
    first, second = found["configurations"]
    assert (first["runs"], second["runs"]) == (["a", "b", "c"], ["d", "e"])
    assert first["mean"] == pytest.approx(np.mean(values_of(a)))
    assert first["spread"] == pytest.approx(np.std(values_of(a), ddof=1))
    low, high = t.interval(0.95, 2, np.mean(values_of(a)), sem(values_of(a)))
    assert first["interval"] == pytest.approx([max(low, 0), min(high, 100)])
    theirs = ttest_ind(values_of(a), values_of(b), equal_var=False)
    test = found["tests"][0]
    assert (test["a"], test["b"], test["test"]) == ("a", "d", "Welch's t of 3 and 2 seeds")
    assert test["p"] == pytest.approx(theirs.pvalue)
    assert test["interval"] == pytest.approx(list(theirs.confidence_interval(0.95)))


def test_other_runs_are_no_seeds(run):
    assert compare_seeds([run(1), run(2, 6)], ["a", "b"]) is None
    assert compare_seeds([run(1), run(2, seed=1)], ["a", "b"]) is None  # one seed twice
    unknown = replace(run(1), record=RunRecord())
    assert compare_seeds([unknown, unknown], ["a", "b"]) is None
