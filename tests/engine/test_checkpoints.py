"""Which checkpoints a run leaves, which one is tested, and when it stops early."""

import json
from pathlib import Path

import pytest
import torch

from tests.engine.test_train import stats
from timesformer import run_checkpoint
from timesformer.checkpoint import CheckpointError, load_weights
from timesformer.config import load_config
from timesformer.datasets import read_list
from timesformer.engine import interrupt, log, nonfinite, run, train, validate
from timesformer.engine.checkpoints import Checkpoints
from timesformer.engine.meters import EpochMeter
from timesformer.engine.preflight import preflight
from timesformer.engine.state import TrainingState
from timesformer.models import build_model


@pytest.fixture
def config(tiny_yaml):
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in overrides])


@pytest.fixture
def errors(monkeypatch):
    """Let validations find these top-1 errors, and note whose weights they were given."""
    found, heads = [], []

    def use(values):
        report = validate.Validator._report
        found[:] = values

        def fake(self, *args):
            return report(self, *args) | {"top1_err": found.pop(0)}

        def watched(self, model, epoch, scalars, run=validate.Validator.run):
            heads.append(model.head.weight.clone())
            return run(self, model, epoch, scalars)

        monkeypatch.setattr(validate.Validator, "_report", fake)
        monkeypatch.setattr(validate.Validator, "run", watched)
        return heads

    return use


def names(out):
    return sorted(
        path.stem.removeprefix("checkpoint_") for path in run_checkpoint.folder_of(out).iterdir()
    )


def test_the_best_stays_and_training_stops_when_none_is_better(config, tmp_path, errors):
    heads = errors([50.0, 40.0, 45.0, 40.0, 1.0])
    cfg = config("SOLVER.MAX_EPOCH", 6, "SOLVER.EARLY_STOP", 2, "TRAIN.KEEP_CHECKPOINTS", 1,
                 "TRAIN.CHECKPOINT_PERIOD", 5, "TRAIN.EMA_DECAY", 0.9,
                 "TEST.CHECKPOINT_FILE_PATH", "best", "TEST.NUM_ENSEMBLE_VIEWS", 1)  # fmt: skip
    preflight(cfg)
    run.run(cfg)
    out = tmp_path / "out"
    assert [line["epoch"] for line in stats(out, "val_epoch")] == ["1/6", "2/6", "3/6", "4/6"]
    assert names(out)[:2] == ["best", "epoch_00004"]
    best = torch.load(run_checkpoint.best_checkpoint(out), weights_only=True)
    assert (best["epoch"], best["best"]["epoch"], best["best"]["badness"]) == (1, 1, 40.0)
    assert torch.equal(best["ema_state"]["model.head.weight"], heads[1])  # validated: the average
    assert not torch.equal(best["model_state"]["model.head.weight"], heads[1])
    model = build_model(cfg)
    load_weights(model, run_checkpoint.best_checkpoint(out))
    assert torch.equal(model.head.weight, heads[1])  # and whatever starts from the file
    results = json.loads((out / "test_results.json").read_text())
    assert results["weights"].endswith("checkpoints/checkpoint_best.pyth")
    run.run(cfg)  # the same command again: over is over
    assert len(stats(out, "val_epoch")) == 4


def test_training_goes_on_while_validations_get_better(config, tmp_path, errors):
    errors([50.0, 51.0, 49.0, 52.0])
    options = ["SOLVER.MAX_EPOCH", 4, "SOLVER.EARLY_STOP", 2, "TEST.ENABLE", 0]
    run.run(config(*options))
    assert len(stats(tmp_path / "out", "val_epoch")) == 4
    assert len(names(tmp_path / "out")) == 5
    run.run(
        config(*options, "TRAIN.KEEP_CHECKPOINTS", 1)
    )  # room is made before anything is written
    assert names(tmp_path / "out") == ["best", "epoch_00004"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the full disk of Linux")
def test_a_disk_that_fills_up_ends_the_run_with_the_last_good_checkpoint(
    config, tmp_path, monkeypatch
):
    write, calls = run_checkpoint.write_checkpoint, []

    def fill(path, payload, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            path.with_name(f"{path.name}.tmp").symlink_to("/dev/full")
        write(path, payload, **kwargs)

    monkeypatch.setattr(run_checkpoint, "write_checkpoint", fill)
    with pytest.raises(
        CheckpointError, match=r"No space left on device .*last good one is .*\d\.pyth"
    ):
        run.run(config("TEST.ENABLE", 0, "SOLVER.MAX_EPOCH", 3))
    newest = run_checkpoint.newest_checkpoint(tmp_path / "out")
    assert newest.name == "checkpoint_epoch_00001.pyth"
    monkeypatch.undo()
    run.run(config("TEST.ENABLE", 0, "SOLVER.MAX_EPOCH", 3))
    assert [line["epoch"] for line in stats(tmp_path / "out", "train_epoch")] == [
        "1/3",
        "2/3",
        "3/3",
    ]


def test_a_run_resumes_from_the_newest_whole_checkpoint_and_names_the_torn_one(config, tmp_path):
    cfg = config("TEST.ENABLE", 0)
    run.run(cfg)
    out = tmp_path / "out"
    torn = run_checkpoint.checkpoint_path(out, 1)
    torn.write_bytes(torn.read_bytes()[:1000])
    leftover = torn.with_name(f"{torn.name}.tmp")
    leftover.write_bytes(b"half")
    run.run(cfg)
    text = (out / "stdout.log").read_text()
    assert f"checkpoint {torn} is left out, it is damaged" in text
    assert "resuming after 0 batches of epoch 2" in text
    assert not leftover.exists()
    assert not run_checkpoint.damage(torn)


def test_a_run_that_starts_anew_takes_no_checkpoint_of_the_earlier_one_for_its_own(
    config, tmp_path
):
    """It tested the newest by name, which was the earlier run's, and deleted what it had just saved."""
    out = tmp_path / "out"
    run.run(config("TEST.ENABLE", 0, "SOLVER.MAX_EPOCH", 3))
    anew = config("TRAIN.AUTO_RESUME", 0, "RNG_SEED", 5, "TRAIN.KEEP_CHECKPOINTS", 1,
                  "TEST.NUM_ENSEMBLE_VIEWS", 1)  # fmt: skip
    run.run(anew)
    assert names(out) == ["best", "earlier-1", "epoch_00002"]
    earlier = run_checkpoint.folder_of(out) / "earlier-1"
    assert len(list(earlier.iterdir())) == 4
    tested = json.loads((out / "test_results.json").read_text())["weights"]
    assert tested.endswith("checkpoints/checkpoint_epoch_00002.pyth")
    assert "RNG_SEED: 5" in torch.load(tested, weights_only=True)["cfg"]


def test_a_damaged_newest_checkpoint_does_not_cost_the_good_one(config, tmp_path, monkeypatch):
    out = tmp_path / "out"
    run.run(config("TEST.ENABLE", 0))
    torn = run_checkpoint.checkpoint_path(out, 1)
    torn.write_bytes(b"torn")
    monkeypatch.setattr(train.Trainer, "run_epoch", lambda *_: 1 / 0)  # before anything is saved
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            run.run(config("TEST.ENABLE", 0, "TRAIN.KEEP_CHECKPOINTS", 1))
        assert run_checkpoint.newest_checkpoint(out) == run_checkpoint.checkpoint_path(out, 0)
    assert (run_checkpoint.folder_of(out) / "earlier-1" / torn.name).read_bytes() == b"torn"


def test_the_best_of_the_run_that_a_file_is_from_is_not_the_best_of_this_one(
    config, tmp_path, errors
):
    errors([10.0, 90.0, 80.0])
    run.run(config("TEST.ENABLE", 0, "SOLVER.MAX_EPOCH", 1))
    file = run_checkpoint.checkpoint_path(tmp_path / "out", 0)
    cfg = config("OUTPUT_DIR", tmp_path / "new", "SOLVER.MAX_EPOCH", 3, "TEST.ENABLE", 0,
                 "TRAIN.CHECKPOINT_FILE_PATH", file)  # fmt: skip
    run.run(cfg)
    best = torch.load(run_checkpoint.best_checkpoint(tmp_path / "new"), weights_only=True)
    assert (best["epoch"], best["best"]["badness"]) == (2, 80.0)


def test_skipped_steps_are_looked_for_by_all_processes_together(config, tmp_path, monkeypatch):
    """At log lines, before a checkpoint, and where all have agreed to end; not by one with a signal."""
    looks, batch = [], [0]
    monkeypatch.setattr(nonfinite.Guard, "look", lambda *_: looks.append(batch[0]))
    monkeypatch.setattr(interrupt, "requested", lambda: True)  # here alone
    monkeypatch.setattr(interrupt, "agreed", lambda: batch[0] == 11)
    cfg = config("LOG_PERIOD", 5, "TRAIN.CHECKPOINT_STEPS", 4, "TRAIN.CHECKPOINT_PERIOD", 9,
                 "SOLVER.MAX_EPOCH", 20)  # fmt: skip
    state = TrainingState(cfg, build_model(cfg), torch.device("cpu"))
    videos = read_list(cfg, "train")
    with Checkpoints(cfg, state, {}, videos, 100, log.Scalars()) as saved:
        meter = EpochMeter(cfg, 0, 100, log.Scalars())
        for batch[0] in range(1, 11):
            saved.after_step(0, batch[0], meter)
        batch[0] = 11
        with pytest.raises(interrupt.Interrupted):
            saved.after_step(0, 11, meter)
    assert looks == [4, 5, 8, 10, 11]
    assert names(tmp_path / "out") == ["epoch_00001_batch_000008", "epoch_00001_batch_000011"]
