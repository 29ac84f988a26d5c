"""The whole report: six videos whose numbers are known by hand, and laws of its dictionary."""

import json
from dataclasses import replace
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.evaluation.report.made import random_scores, write_csv
from timesformer.evaluation.report.comparison import build_comparison
from timesformer.evaluation.report.predictions import read_predictions
from timesformer.evaluation.report.records import RunRecord
from timesformer.evaluation.report.report import build_report, right_in_top
from timesformer.evaluation.report.temperature import Temperature
from timesformer.evaluation.report.train_list import TrainList
from timesformer.io.json_text import json_text

SIX = """path,label,prediction,error,label_name,prediction_name,score_0,score_1,score_2
a.mp4,0,0,,cat,cat,0.8,0.1,0.1
b.mp4,0,1,,cat,dog,0.3,0.5,0.2
c.mp4,1,1,,dog,dog,0.1,0.9,0
d.mp4,1,1,,dog,dog,0.2,0.6,0.2
e.mp4,1,0,,dog,cat,0.7,0.2,0.1
f.mp4,1,1,,dog,dog,0.4,0.4,0.2
g.mp4,0,,broken,cat,,,,
"""


@pytest.fixture
def six(tmp_path):
    (tmp_path / "test_predictions.csv").write_text(SIX)
    return read_predictions(tmp_path)


def valid(value):
    """``value`` as it is read back, if it fits the published schema."""
    value = json.loads(json_text(value))
    schema = json.loads(files("timesformer.evaluation.report").joinpath("schema.json").read_text())
    jsonschema.validate(value, schema)
    return value


def test_six_videos_by_hand(six):
    """Right: a, c, d, f. Cats 1 of 2, dogs 3 of 4. The third class has no video.

    F1: cat 2 x 1 / (2 + 2), dog 2 x 3 / (4 + 4). Confidences: .8 .5 .9 .6 .7 .4; each is a bin.
    """
    found = valid(build_report(six))
    accuracy = found["accuracy"]
    assert accuracy["top1"]["value"] == pytest.approx(100 * 4 / 6)
    assert accuracy["top1"]["if_unreadable_wrong"] == pytest.approx(100 * 4 / 7)
    assert accuracy["top1"]["if_unreadable_right"] == pytest.approx(100 * 5 / 7)
    assert accuracy["top1"]["interval"] == pytest.approx([30.0, 90.3], abs=0.1)
    assert accuracy["top5"]["value"] == 100
    assert accuracy["mean_class"]["value"] == pytest.approx(62.5)
    assert accuracy["macro_f1"]["value"] == pytest.approx((50 + 75) / 2)
    assert accuracy["chance"]["value"] == pytest.approx(100 / 3)
    assert accuracy["majority"]["value"] == pytest.approx(100 * 4 / 6)
    assert found["videos"] == {"total": 7, "scored": 6, "unreadable": 1, "left_out": 0}
    assert found["classes"] == {"count": 3, "with_videos": 2, "names": ["cat", "dog", "class 2"]}
    assert found["confusion"] == [[1, 1, 0], [1, 3, 0], [0, 0, 0]]
    assert [(p["true_name"], p["predicted_name"]) for p in found["confused_pairs"]] == [
        ("cat", "dog"), ("dog", "cat")]  # fmt: skip
    gaps = [0.2, 0.5, 0.1, 0.4, 0.7, 0.6]
    assert found["calibration"]["ece"] == pytest.approx(np.mean(gaps))
    own = [0.8, 0.3, 0.9, 0.6, 0.2, 0.4]
    assert found["calibration"]["log_likelihood"] == pytest.approx(np.mean(np.log(own)))
    squares = [0.06, 0.78, 0.02, 0.24, 1.14, 0.56]
    assert found["calibration"]["brier"] == pytest.approx(np.mean(squares))
    assert [item["path"] for item in found["gallery"]["confident_errors"]] == ["e.mp4", "b.mp4"]
    assert found["gallery"]["least_certain"][0]["path"] == "f.mp4"
    assert found["run"]["name"] == six.origin.parent.name


def test_the_label_is_among_the_first_of_equal_scores(tmp_path):
    scores = np.full((3, 7), 1 / 7)
    made = read_predictions(write_csv(tmp_path / "p.csv", np.array([0, 4, 5]), scores))
    assert right_in_top(made, 1).tolist() == [True, False, False]
    assert right_in_top(made, 5).tolist() == [True, True, False]


def test_every_part_fits_the_schema_and_is_the_same_again(tmp_path):
    labels, scores = random_scores(300, 8)
    film = [str(i // 10) for i in range(300)]
    made = read_predictions(
        write_csv(tmp_path / "run/test_predictions.csv", labels, scores, columns={"film": film})
    )
    record = RunRecord(validation={"top1_err": 60.0, "epoch": 3, "videos": 40})
    made = replace(made, record=record)
    options = {
        "group": "film",
        "temperature": Temperature(1.5, "val_predictions.csv", "0" * 64, 100),
        "against": made,
        "train": TrainList("train.csv", np.arange(8)),
    }
    found = valid(build_report(made, **options))
    assert json_text(found) == json_text(build_report(made, **options))
    assert found["groups"] == {"by": "film", "count": 30}
    assert found["calibration"]["temperature"]["value"] == 1.5
    assert {row["change"]["accuracy"] for row in found["per_class"]} == {0}
    assert [row["train_videos"] for row in found["per_class"]] == list(range(8))
    assert found["validation"]["value"] == 40
    valid(build_comparison([made, made], names=["a", "b"]))


def test_an_accuracy_of_several_labels_fits_the_schema(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.random((90, 4)) < 0.4
    labels[0, :2] = True
    made = read_predictions(write_csv(tmp_path / "p.csv", labels, rng.random((90, 4))))
    found = valid(build_report(made))
    assert found["task"] == "multi_label"
    low, high = found["accuracy"]["map"]["interval"]
    assert low < found["accuracy"]["map"]["value"] < high
    assert found["accuracy"]["chance"]["value"] == pytest.approx(100 * labels.mean())
    valid(build_comparison([made, made], names=["a", "b"]))


def test_average_precisions_stand_beside_the_training_videos(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.random((90, 4)) < 0.4
    labels[0, :2] = True
    made = read_predictions(write_csv(tmp_path / "p.csv", labels, rng.random((90, 4))))
    found = valid(build_report(made, train=TrainList("train.csv", np.array([9, 3, 7, 1]))))
    rows = found["per_class"]
    assert [row["train_videos"] for row in rows] == [9, 3, 7, 1]
    rho = spearmanr([row["average_precision"] for row in rows], [9, 3, 7, 1]).statistic
    assert found["training_frequency"]["spearman"] == pytest.approx(rho)


def test_a_limited_test_says_so(tmp_path):
    labels, scores = random_scores(20, 3)
    file = write_csv(tmp_path / "p.csv", labels, scores, failed=["x.mp4"])
    file.write_text(file.read_text().replace("broken file", "not scored: the test was limited"))
    found = build_report(read_predictions(file))
    assert found["videos"] == {"total": 21, "scored": 20, "unreadable": 0, "left_out": 1}


def test_the_change_of_a_class_is_over_the_videos_of_both_runs(tmp_path):
    labels, scores = random_scores(60, 3)
    paths = [f"{i}.mp4" for i in range(60)]
    ours = read_predictions(write_csv(tmp_path / "a.csv", labels, scores, paths=paths))
    other = random_scores(60, 3, seed=1)[1]
    theirs = read_predictions(
        write_csv(tmp_path / "b.csv", labels[5:], other[5:], paths=paths[5:], failed=paths[:5])
    )
    found = build_report(ours, against=theirs)
    assert found["run"]["against"] == tmp_path.name
    rows = found["per_class"]
    for k, row in enumerate(rows):
        both = np.flatnonzero(labels == k)
        both = both[both >= 5]
        mine, their_own = (np.mean(each[both].argmax(axis=1) == k) for each in (scores, other))
        assert row["change"]["accuracy"] == pytest.approx(100 * (mine - their_own))
