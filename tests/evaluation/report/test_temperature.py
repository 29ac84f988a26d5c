"""The temperature of the highest likelihood, and the videos that it may be fitted on."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax

from tests.evaluation.report.made import softmax, write_csv
from timesformer.evaluation.report.predictions import PredictionsError, read_predictions
from timesformer.evaluation.report.temperature import (
    TemperatureError,
    find_temperature,
    fit_temperature,
)


def calibrated(num_videos, *, seed, num_classes=6):
    """Logits, and labels that are drawn from their softmax."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(num_videos, num_classes))
    ranks = softmax(logits).cumsum(axis=1)
    return logits, (rng.random((num_videos, 1)) > ranks).sum(axis=1).clip(max=num_classes - 1)


@pytest.fixture
def run(tmp_path):
    """A run with test and val predictions that are 2.5 times too confident."""

    def make(name="run", *, val_paths="val", test_classes=6, **results):
        folder = tmp_path / name
        for split, count in (("test", 300), ("val", 4000)):
            classes = test_classes if split == "test" else 6
            logits, labels = calibrated(count, seed=count, num_classes=classes)
            named = val_paths if split == "val" else "test"
            paths = [f"{named}/{i}.mp4" for i in range(count)]
            write_csv(folder / f"{split}_predictions.csv", labels, 2.5 * logits, paths=paths)
            facts = {"top1_acc": 1.0, "ensemble": "max", **results.get(split, {})}
            (folder / f"{split}_results.json").write_text(json.dumps(facts))
        return folder

    return make


def test_it_undoes_what_made_the_scores_too_confident(run):
    found = find_temperature(read_predictions(run()), "val")
    assert found.value == pytest.approx(2.5, rel=0.05)
    assert (found.fitted_on, found.videos) == ("val_predictions.csv", 4000)


def test_no_other_temperature_is_likelier(run):
    validation = read_predictions(run(), split="val")
    best = fit_temperature(validation)

    def likelihood(t):
        rows = log_softmax(validation.scores / t, axis=1)
        return rows[np.arange(4000), validation.labels].mean()

    grid = best * np.exp(np.linspace(-0.1, 0.1, 41))
    assert max(map(likelihood, grid)) <= likelihood(best) + 1e-10


def test_a_file_and_another_run_serve_too(run):
    first, second = run(), run("other")
    test = read_predictions(first)
    expected = find_temperature(test, "val").value
    assert find_temperature(test, str(second)).value == expected
    assert find_temperature(test, str(second / "val_predictions.csv")).value == expected


def test_videos_of_the_test_are_refused(run):
    folder = run(val_paths="test")
    for named in ("val", str(folder / "test_predictions.csv")):
        with pytest.raises(TemperatureError, match="holds 300 of the videos of the test"):
            find_temperature(read_predictions(folder), named)


def test_what_does_not_belong_to_the_test_is_refused(run):
    with pytest.raises(TemperatureError, match="has 6 classes, and the test has 5"):
        find_temperature(read_predictions(run("a", test_classes=5)), "val")
    moved = run("c", val={"weights": "new/x.pyth"}, test={"weights": "old/x.pyth"})
    assert find_temperature(read_predictions(moved), "val").value > 1
    with pytest.raises(TemperatureError, match="is of the weights new/x.pyth"):
        find_temperature(read_predictions(run("d", test={"weights": "old/x.pyth"})), str(moved))
    other = run("b", val={"weights": "x.pyth"}, test={"weights": "y.pyth"})
    with pytest.raises(TemperatureError, match=r"is of the weights x.pyth, and the test of y.pyth"):
        find_temperature(read_predictions(other), "val")
    (other / "val_predictions.csv").unlink()
    with pytest.raises(PredictionsError, match="TEST.SPLIT val"):
        find_temperature(read_predictions(other), "val")


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        (np.zeros(9, int), np.eye(3)[np.zeros(9, int)], "9 videos; a temperature needs 10 or more"),
        (np.zeros(20, int), 9 * np.eye(3)[np.zeros(20, int)] - 4, "all predictions are right"),
        (np.arange(30) % 3, -9 * np.eye(3)[np.arange(30) % 3], "tell nothing of the labels"),
        (np.ones((20, 3), bool), np.eye(3)[[0, 1] * 10], "several labels"),
    ],
)  # fmt: skip
def test_videos_that_no_temperature_fits_are_refused(tmp_path, labels, scores, message):
    file = write_csv(tmp_path / "val_predictions.csv", labels, np.asarray(scores, float))
    with pytest.raises(TemperatureError, match=message):
        fit_temperature(read_predictions(file))


def test_files_that_name_no_videos_are_told_apart_by_their_content(run):
    folder = run()
    test, val = read_predictions(folder), read_predictions(folder, split="val")
    rows = tuple(f"row {i}" for i in range(300))
    nameless = replace(test, keys=rows, paths=rows, has_paths=False)
    assert find_temperature(nameless, str(folder / "val_predictions.csv")).value > 2
    with pytest.raises(TemperatureError, match="holds 300 of the videos of the test"):
        find_temperature(nameless, str(folder / "test_predictions.csv"))
    assert val.has_paths
