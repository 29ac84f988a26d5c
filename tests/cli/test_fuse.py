"""The command fuse: what it prints, writes and refuses."""

import json

import pytest

from tests.evaluation.report.made import random_scores, write_csv
from timesformer.cli.app import run


@pytest.fixture
def runs(tmp_path):
    labels, _ = random_scores(40, 3)
    for seed, name in enumerate("ab"):
        for split in ("test", "val"):
            _, scores = random_scores(40, 3, seed=seed)
            paths = [f"{split}{i}" for i in range(40)]
            write_csv(tmp_path / name / f"{split}_predictions.csv", labels, scores, paths=paths)
    return [str(tmp_path / name) for name in "ab"]


def test_runs_are_fused_with_equal_weights(runs, tmp_path, capsys):
    assert run(["fuse", *runs, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"fusion: 0.500 x {runs[0]} + 0.500 x {runs[1]} (equal weights)\n")
    assert "top-1" in said
    assert f"val_predictions.csv, val_classes.csv, val_results.json in {tmp_path}/out" in said
    assert (tmp_path / "out/test_predictions.csv").is_file()


@pytest.mark.parametrize("words", [["--weights", "0.7", "0.3"], ["--weights=7", "--weights=3"]])
def test_weights_are_given(runs, tmp_path, words):
    assert run(["fuse", *runs, *words, "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out/test_results.json").read_text())["fusion"]["runs"]
    assert [each["weight"] for each in found] == pytest.approx([0.7, 0.3])


def test_weights_are_fitted_on_val(runs, tmp_path, capsys):
    assert run(["fuse", *runs, "--weights", "auto", "--out", str(tmp_path / "out")]) == 0
    assert "(weights fitted on 40 videos of val, log likelihood " in capsys.readouterr().out
    found = json.loads((tmp_path / "out/test_results.json").read_text())
    assert found["fusion"]["how"] in found["protocol"]


def test_val_that_is_not_fused_is_said(runs, tmp_path, capsys):
    (tmp_path / "b/val_predictions.csv").write_text("")
    assert run(["fuse", *runs, "--out", str(tmp_path / "out")]) == 0
    assert f"val is not fused: {tmp_path}/b/val_predictions.csv is empty" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--weights", "0.7"], "--weights has 1 numbers for 2 runs; give one each"),
        (["--weights", "0", "0"], "the numbers of --weights sum to 0"),
        (["--weights", "-1", "2"], "-1 is not a number from 0"),
        (["--weights", "nan", "2"], "nan is not a number from 0"),
        (["--weights", "auto", "2"], "'auto' is not a number; or write auto alone"),
        (["--weights", "much", "2"], "'much' is not a number; or write auto alone"),
    ],
)
def test_wrong_weights_are_refused(runs, tmp_path, capsys, words, message):
    assert run(["fuse", *runs, "--out", str(tmp_path / "out"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_run_is_refused(runs, capsys):
    assert run(["fuse", *runs, "--out", runs[0]]) == 2
    line = f"timesformer fuse: error: --out is {runs[0]}, one of the runs; name another folder\n"
    assert capsys.readouterr().err == line
