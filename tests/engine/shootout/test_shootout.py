"""Which runs a shootout starts, what it repeats, and what a failure ends."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from tests.engine.shootout.made import Runs, made_candidate, made_shootout
from timesformer.engine.shootout import candidates
from timesformer.engine.shootout.folds import deal_folds
from timesformer.evaluation.run_costs import RunCosts


def test_every_video_is_tested_once_by_a_model_that_did_not_see_it(tmp_path):
    runs = Runs()
    made = made_shootout(tmp_path, runs)
    (entry,) = made.run([made_candidate("m")])
    assert [name for _, name, _ in runs.done] == ["fold-1", "fold-2", "fold-3"]
    for fold in (1, 2, 3):
        lists = tmp_path / f"m/fold-{fold}/lists"
        train, test = ((lists / f"{s}.csv").read_text().split("\n") for s in ("train", "test"))
        assert len({*train, *test} - {""}) == 12
        assert not {*train} & {*test} - {""}
        assert (lists / "classes.txt").read_text() == "left\nright\n"
    with (tmp_path / "m/test_predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [f"/videos/{i}.mp4" for i in range(12)]
    assert [int(row["fold"]) - 1 for row in rows] == made.folds.of_video.tolist()
    assert len(entry.results) == 3
    assert entry.results[0] == RunCosts(4, 2.0, 10.0, 0.51, None)


def test_what_is_finished_is_not_repeated(tmp_path):
    first = Runs()
    made_shootout(tmp_path, first).run([made_candidate("m")])
    (tmp_path / "m/fold-2/test_results.json").unlink()
    again = Runs()
    made_shootout(tmp_path, again).run([made_candidate("m")])
    assert [name for _, name, _ in again.done] == ["fold-2"]


def test_the_budget_decides_the_epochs_and_a_resumed_model_keeps_them(tmp_path):
    """The trial says 4 clips a second: an epoch of 8 videos in 2 s, a test in 1 s."""
    runs = Runs()
    made_shootout(tmp_path, runs, budget=25.5).run([made_candidate("m")])
    assert [epochs for _, name, epochs in runs.done if name != "trial"] == [3, 3, 3]
    assert runs.done[0][1:] == ("trial", 1)
    assert "m: 4.0 clips/s in training" in runs.told[0]
    (tmp_path / "m/fold-3/test_results.json").unlink()
    again = Runs()
    made_shootout(tmp_path, again, budget=25.5).run([made_candidate("m")])
    assert again.done == [("m", "fold-3", 3)]


def test_a_probe_keeps_the_epochs_of_its_recipe(tmp_path):
    runs = Runs()
    made_shootout(tmp_path, runs, budget=25.5, method="probe").run([made_candidate("m", 100)])
    assert [epochs for _, name, epochs in runs.done] == [1, 100, 100, 100]


@pytest.mark.parametrize("budget", [None, 1000.0])
def test_a_model_that_fails_is_out_with_its_reason_and_the_others_are_compared(tmp_path, budget):
    runs = Runs(fails=["bad"])
    made = made_shootout(tmp_path, runs, budget=budget)
    bad, good = made.run([made_candidate("bad"), made_candidate("good")])
    assert bad.reason == "there are no weights"
    assert good.reason == ""
    assert len(good.results) == 3
    assert [name for model, name, _ in runs.done if model == "bad"] == [
        "trial" if budget else "fold-1"
    ]
    assert any(
        line.startswith("bad") and "failed: there are no weights" in line for line in runs.told
    )


def test_a_run_that_ends_before_its_test_names_its_log(tmp_path):
    made = made_shootout(tmp_path, Runs())
    made = dataclasses.replace(made, start=lambda cfg, console: "")
    (entry,) = made.run([made_candidate("m")])
    assert entry.reason == f"it ended before its test; see {tmp_path}/m/fold-1/console.log"


def test_scores_that_are_not_finite_are_a_failure(tmp_path):
    runs = Runs()
    made = made_shootout(tmp_path, runs)
    made.run([made_candidate("m")])
    path = tmp_path / "m/fold-2/test_results.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"nonfinite": 3}))
    (entry,) = made.run([made_candidate("m")])
    assert entry.reason == "3 of 4 videos have scores that are not finite"


def test_groups_go_into_the_predictions_of_all_folds(tmp_path):
    runs = Runs()
    made = made_shootout(tmp_path, runs)
    groups = made.folds.groups._replace(by="film", codes=np.arange(12) // 2)
    labels = made.videos.labels
    of_video = deal_folds(labels, groups.codes, num_folds=3, seed=0, names="ab")
    folds = made.folds._replace(groups=groups, of_video=of_video)
    made = dataclasses.replace(made, folds=folds)
    made.run([made_candidate("m")])
    with (tmp_path / "m/test_predictions.csv").open() as file:
        assert [row["group"] for row in csv.DictReader(file)] == [str(i // 2) for i in range(12)]


def test_the_epochs_shorten_the_warm_up(tmp_path):
    cfg = made_candidate("m").cfg
    short = candidates.build_fold(cfg, tmp_path, 5)
    assert (short.SOLVER.MAX_EPOCH, short.SOLVER.WARMUP_EPOCHS) == (5, 0.5)
    whole = candidates.build_fold(cfg, tmp_path, None)
    assert (whole.SOLVER.MAX_EPOCH, whole.SOLVER.WARMUP_EPOCHS) == (30, 3.0)
    trial = candidates.build_trial(cfg, tmp_path, 6)
    assert (trial.SOLVER.MAX_EPOCH, trial.TEST.ENABLE, trial.DATA.LIMIT_TRAIN_BATCHES) == (
        1,
        False,
        6,
    )
