"""The test command: what `train` tests, without training."""

import json


def test_a_checkpoint_is_tested_and_nothing_is_trained(run_here, trained, tiny_yaml, tmp_path):
    _, weights = trained()
    out = tmp_path / "tested"
    status, _, error = run_here("test", "--cfg", tiny_yaml, "--weights", weights, "--out", out,
                                "--limit-val-batches", 1, "TRAIN.ENABLE", True)  # fmt: skip
    assert status == 0, error
    found = json.loads((out / "test_results.json").read_text())
    assert found["weights"] == str(weights)
    assert "limited" in found
    assert not (out / "checkpoints").exists()


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
