"""A dry run does everything once, says what the whole run needs, and leaves nothing to resume."""

import json
import re
from pathlib import Path

import pytest
import torch

from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.newest import newest_checkpoint
from timesformer.config import load_config
from timesformer.engine import dry_run as dry_run_module
from timesformer.engine import run
from timesformer.engine.dry_run import (
    WholeRun,
    build_rehearsal,
    build_whole_run,
    dry_run,
    summary,
)
from timesformer.engine.train_state import TrainState
from timesformer.files import best_checkpoint, checkpoint_folder, checkpoint_path
from timesformer.runtime.metrics_csv import MetricsCSV, read_rows


@pytest.fixture
def config(tiny_yaml):
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in overrides])


def test_a_dry_run_does_everything_once_and_leaves_no_checkpoint(config, tmp_path):
    said = dry_run(config())
    folder = tmp_path / "out/dry-run"
    rows = read_rows(folder / "metrics.csv")
    # an optimizer step takes 2 batches
    assert [row["type"] for row in rows] == ["train_iter"] * 4 + ["train_epoch", "val_epoch"]
    assert rows[-1]["videos"] == "4"
    assert json.loads((folder / "test_results.json").read_text())["scored"] == 2
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dry-run"]
    assert not list(folder.rglob("*.pyth"))
    assert newest_checkpoint(tmp_path / "out") is None
    assert "2 steps of 4 batches in all, loss" in said
    assert "whole run   2 epochs of 6 batches, 2 validations" in said
    assert "MiB, written, read back and compared" in said
    assert re.search(r"throughput  \d+\.\d\d clips/s, \d+% of the time waiting", said)


def test_the_next_one_starts_in_an_empty_folder(config, tmp_path):
    left = tmp_path / "out/dry-run/checkpoints/checkpoint_epoch_00009.pyth"
    left.parent.mkdir(parents=True)
    left.write_text("torn")
    cfg = config("TEST.ENABLE", 0, "GLOBAL_BATCH_SIZE", 4)
    assert "everything that the run needs works" in dry_run(cfg)
    assert not left.exists()


def test_a_test_alone_is_rehearsed_too(config, tmp_path):
    from timesformer.models import build_model

    cfg = config()
    torch.save({"model_state": build_model(cfg).state_dict()}, tmp_path / "model.pyth")
    options = ["TRAIN.ENABLE", 0, "TEST.CHECKPOINT_FILE_PATH", tmp_path / "model.pyth"]
    said = dry_run(config(*options))
    assert "clips/s" not in said
    assert re.search(r"time        about .* \(test ", said)


@pytest.mark.parametrize(("named", "tested"), [("", "epoch_00003"), ("best", "best")])
def test_a_test_alone_is_of_the_checkpoint_that_the_run_has(config, tmp_path, named, tested):
    folder = checkpoint_folder(tmp_path / "out")
    folder.mkdir(parents=True)
    for name in ("epoch_00003", "best"):
        torch.save({}, folder / f"checkpoint_{name}.pyth")
    cfg = build_rehearsal(config("TRAIN.ENABLE", 0, "TEST.CHECKPOINT_FILE_PATH", named))
    assert str(folder / f"checkpoint_{tested}.pyth") == cfg.TEST.CHECKPOINT_FILE_PATH
    cfg = build_rehearsal(config("TEST.CHECKPOINT_FILE_PATH", named))  # that of the rehearsal
    assert named == cfg.TEST.CHECKPOINT_FILE_PATH


def read_back(cfg):
    return dry_run_module.read_back(cfg, Path(cfg.OUTPUT_DIR))


@pytest.fixture
def written(config, tmp_path):
    """A rehearsal's configuration, and the checkpoint of its training."""
    cfg = build_rehearsal(
        config("TRAIN.EMA_DECAY", 0.9, "TRAIN.FREEZE", "['patch_embed.*']", "TEST.ENABLE", 0)
    )
    run.run(cfg)
    assert "written, read back and compared" in read_back(cfg)
    return cfg, checkpoint_path(cfg.OUTPUT_DIR, 0)


def test_a_checkpoint_that_is_not_there_or_damaged_is_an_error(written):
    cfg, path = written
    best = best_checkpoint(cfg.OUTPUT_DIR)
    data = path.read_bytes()
    best.unlink()
    best.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
    with pytest.raises(
        CheckpointError, match=r"checkpoint_best.pyth is damaged: Bad CRC-32 for file"
    ):
        read_back(cfg)
    path.unlink()
    with pytest.raises(CheckpointError, match="dry-run has no checkpoint; see stdout.log there"):
        read_back(cfg)


def lose_momentum(state):
    state.optimizer.state_dict()["state"][3]["exp_avg"].view(-1)[-1] += 1e-6


def lose_average(state):
    state.ema._has_begun = False


def lose_best(state):
    state.early_stopping.lowest = 7.0


def round_weights(state):
    state.model.head.weight.data = state.model.head.weight.data.bfloat16().float()


@pytest.mark.parametrize(
    ("lose", "named"),
    [
        (lose_momentum, "1 entries differ: optimizer_state/3/exp_avg;"),
        (lose_average, "differ: ema_state/model.cls_token, "),
        (lose_best, "1 entries differ: best/badness;"),
        (round_weights, "1 entries differ: model_state/model.head.weight;"),
    ],
)
def test_all_that_resuming_takes_is_compared(written, monkeypatch, lose, named):
    cfg, path = written
    load = TrainState.load

    def forgetful(self, path):
        resumed = load(self, path)
        lose(self)
        return resumed

    monkeypatch.setattr(TrainState, "load", forgetful)
    with pytest.raises(CheckpointError, match=f"{path.name} does not give back .*{named}"):
        read_back(cfg)


def test_a_checkpoint_that_is_not_one_of_a_training_is_an_error(written):
    cfg, path = written
    content = torch.load(path, weights_only=True)
    del content["optimizer_state"]
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="holds no epoch and optimizer state to resume from"):
        read_back(cfg)


def test_the_configuration_that_is_rehearsed_touches_no_result_of_the_run(config, tmp_path):
    written = tmp_path / "out/checkpoints/checkpoint_epoch_00002.pyth"
    cfg = config("TEST.CHECKPOINT_FILE_PATH", written, "TEST.SAVE_RESULTS_PATH", "/tmp/scores.pkl")
    rehearsed = build_rehearsal(cfg)
    assert rehearsed.TEST.SAVE_RESULTS_PATH == ""
    assert rehearsed.TEST.CHECKPOINT_FILE_PATH == ""  # the run has yet to write it
    written.parent.mkdir(parents=True)
    written.touch()
    assert str(written) == build_rehearsal(cfg).TEST.CHECKPOINT_FILE_PATH
    assert rehearsed.DATA.LIMIT_TRAIN_BATCHES == 4


def test_the_whole_run_has_the_lengths_of_its_loaders(config, monkeypatch):
    assert build_whole_run(config())[:3] == (6, 2, 5)
    assert build_whole_run(config("TEST.ENABLE", 0)).test == 0
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")  # two machines
    assert build_whole_run(config())[:3] == (3, 1, 3)


def test_the_time_of_the_whole_run_is_that_of_its_parts(tmp_path):
    """10 epochs of 100 batches of 2 s; 5 validations of 20 batches of 3 s; 400 videos of 1 s."""
    metrics = MetricsCSV(tmp_path / "metrics.csv", epoch=0)
    for batch, dt in ((1, 50.0), (2, 50.0), (3, 1.0), (4, 3.0)):
        metrics.add({"type": "train_iter", "epoch": 1, "batch": batch, "batches": 4, "dt": dt,
                     "dt_data": 0.5, "loss": 3.0 / batch, "clips_per_second": 8.0})  # fmt: skip
    metrics.add({"type": "val_epoch", "epoch": 1, "batch": 0, "dt": 3.0})
    test = {"seconds": 2.0, "scored": 2, "videos": 400}
    session = {"peak_ram_gib": 1.5, "peak_gpu_gib": 0.25}
    record = {"result": {"test": test}, "sessions": [session]}
    (tmp_path / "run.json").write_text(json.dumps(record))
    whole = WholeRun(train=100, val=20, test=50, epochs=10, eval_period=2, accumulation=2)
    said = "\n".join(summary(tmp_path, whole, "1.0 MiB"))
    assert "about 0:45:00 (training 0:33:20, validation 0:05:00, test 0:06:40)" in said
    assert "loss 3.0000 to 0.7500" in said
    assert "8.00 clips/s, 25% of the time waiting" in said
    assert "memory      1.5 GiB of the first process; 0.25 GiB of its GPU" in said
