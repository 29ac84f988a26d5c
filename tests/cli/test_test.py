"""The test command: what `train` tests, without training."""

import json

import pytest

from timesformer.files import run_files


def test_a_checkpoint_is_tested_and_nothing_is_trained(run_here, trained, tiny_yaml, tmp_path):
    _, weights = trained()
    out = tmp_path / "tested"
    status, printed, error = run_here("test", "--cfg", tiny_yaml, "--weights", weights, "--out", out,
                                      "--limit-val-batches", 1, "TRAIN.ENABLE", True)  # fmt: skip
    assert status == 0, error
    found = json.loads((out / "test_results.json").read_text())
    assert found["weights"] == str(weights)
    assert not (out / "checkpoints").exists()
    report = json.loads((out / "report/report.json").read_text())
    assert report["run"]["limited"] == found["limited"]
    assert report["videos"]["scored"] == found["scored"] < report["videos"]["total"] == 9
    assert report["accuracy"]["top1"]["value"] == pytest.approx(found["top1_acc"])
    assert printed.rstrip().endswith(f"report: {out / 'report/index.html'}")
    assert "LIMITED" in (out / "report/index.html").read_text().upper()


def test_weights_that_are_not_there_are_named(run_here, tiny_yaml):
    status, _, error = run_here("test", "--cfg", tiny_yaml)
    assert status == 2
    assert "there are no weights to test" in error


def test_the_list_of_validation_is_an_option(run_here, trained, tiny_yaml, tmp_path):
    _, weights = trained()
    status, _, error = run_here("test", "--cfg", tiny_yaml, "--weights", weights, "--out",
                                tmp_path / "on val", "--split", "val")  # fmt: skip
    assert status == 0, error
    assert json.loads((tmp_path / "on val/val_results.json").read_text())["videos"] == 7
    assert (
        json.loads((tmp_path / "on val/report-val/report.json").read_text())["run"]["split"]
        == "val"
    )
    assert not (tmp_path / "on val/report").exists()
    assert tmp_path / "on val/report-val" in run_files(tmp_path / "on val")


def test_a_test_on_val_leaves_the_configuration_of_the_run(run_here, trained, tiny_yaml, tmp_path):
    """`test --cfg RUN/config.yaml TEST.SPLIT val` made every later test with that file one on val."""
    _, weights = trained()
    out = tmp_path / "out"
    status, _, error = run_here(
        "test", "--cfg", tiny_yaml, "--weights", weights, "--out", out, "--no-report"
    )
    assert status == 0, error
    before = (out / "config.yaml").read_text()
    again = ("test", "--cfg", out / "config.yaml", "--no-report")
    status, _, error = run_here(*again, "TEST.SPLIT", "val", "TEST.NUM_SPATIAL_CROPS", 1)
    assert status == 0, error
    assert json.loads((out / "val_results.json").read_text())["views"] == 2
    assert (out / "config.yaml").read_text() == before
    (out / "test_results.json").unlink()
    assert run_here(*again)[0] == 0
    assert json.loads((out / "test_results.json").read_text())["videos"] == 9


def test_saved_views_are_reported_and_those_of_another_test_are_refused(
    run_here, trained, tiny_yaml, tmp_path
):
    _, weights = trained()
    out = tmp_path / "out"
    command = ("test", "--cfg", tiny_yaml, "--weights", weights, "--out", out)
    status, _, error = run_here(*command, "TEST.SAVE_VIEWS", True, "TEST.PROTOCOLS", "[paper]")
    assert status == 0, error
    report = json.loads((out / "report/report.json").read_text())
    assert [(p["temporal"], p["crops"]) for p in report["views"]["points"]] == [
        (1, 1), (2, 1), (1, 3), (2, 3)]  # fmt: skip
    whole = report["views"]["points"][-1]["value"]
    assert whole == pytest.approx(report["accuracy"]["top1"]["value"])
    status, _, _ = run_here(
        "report", out / "test_predictions_paper.csv", "--out", tmp_path / "paper"
    )
    assert status == 0
    of_paper = json.loads((tmp_path / "paper/report.json").read_text())
    assert of_paper["run"]["protocol"].startswith("2 temporal views (paper)")
    assert (of_paper["scores"]["kind"], report["scores"]["kind"]) == (
        "probabilities",
        "sum of logits",
    )
    status, printed, error = run_here(*command, "TEST.NUM_SPATIAL_CROPS", 1, "--no-report")
    assert (status, "index.html" in printed) == (0, False), error
    status, _, error = run_here("report", out, "--views")
    assert status == 2
    assert "test_views.npz is of another test than" in error


def test_another_process_of_the_run_writes_no_report(
    run_here, trained, tiny_yaml, tmp_path, monkeypatch
):
    _, weights = trained()
    monkeypatch.setattr("timesformer.engine.run.launch_run", lambda cfg, init_method: None)
    monkeypatch.setenv("RANK", "1")
    status, printed, error = run_here("test", "--cfg", tiny_yaml, "--weights", weights)
    assert (status, printed, error) == (0, "", "")
