"""Which checkpoints a run leaves, which one is tested, and when it stops early."""

import errno
import json
import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from tests.engine.test_train import stats
from timesformer.checkpoint import save, sharded
from timesformer.checkpoint.load import CheckpointError, load_weights
from timesformer.checkpoint.newest import damage, newest_checkpoint
from timesformer.config import load_config
from timesformer.datasets import read_list
from timesformer.engine import nonfinite, run, trainer
from timesformer.engine.checkpointing import build_checkpoint_schedule
from timesformer.engine.meters import EpochMeter
from timesformer.engine.preflight import preflight
from timesformer.engine.train_state import build_train_state
from timesformer.evaluation import validate
from timesformer.files import best_checkpoint, checkpoint_folder, checkpoint_path, temporary_path
from timesformer.models import build_model
from timesformer.runtime import log, signals
from timesformer.runtime.metrics_csv import MetricsCSV, read_rows


@pytest.fixture
def config(tiny_yaml):
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in overrides])


@pytest.fixture
def errors(monkeypatch):
    """Let validations find these top-1 errors, and note whose weights they were given."""
    found, heads = [], []

    def use(values):
        found[:] = values

        def watched(self, model, epoch, scalars, run=validate.Validator.run):
            heads.append(model.head.weight.clone())
            return run(self, model, epoch, scalars) | {"top1_err": found.pop(0)}

        monkeypatch.setattr(validate.Validator, "run", watched)
        return heads

    return use


def names(out):
    return sorted(
        path.stem.removeprefix("checkpoint_") for path in checkpoint_folder(out).iterdir()
    )


def test_the_best_stays_and_training_stops_when_none_is_better(config, tmp_path, errors):
    heads = errors([50.0, 40.0, 45.0, 40.0, 1.0])
    cfg = config("SOLVER.MAX_EPOCH", 6, "SOLVER.EARLY_STOP_PATIENCE", 2, "TRAIN.KEEP_CHECKPOINTS", 1,
                 "TRAIN.CHECKPOINT_PERIOD", 5, "TRAIN.EMA_DECAY", 0.9,
                 "TEST.CHECKPOINT_FILE_PATH", "best", "TEST.NUM_ENSEMBLE_VIEWS", 1)  # fmt: skip
    preflight(cfg)
    run.run(cfg)
    out = tmp_path / "out"
    assert [line["epoch"] for line in stats(out, "val_epoch")] == ["1/6", "2/6", "3/6", "4/6"]
    assert names(out)[:2] == ["best", "epoch_00004"]
    best = torch.load(best_checkpoint(out), weights_only=True)
    assert (best["epoch"], best["best"]["epoch"], best["best"]["badness"]) == (1, 1, 40.0)
    assert torch.equal(best["ema_state"]["model.head.weight"], heads[1])  # validated: the average
    assert not torch.equal(best["model_state"]["model.head.weight"], heads[1])
    model = build_model(cfg)
    load_weights(model, best_checkpoint(out))
    assert torch.equal(model.head.weight, heads[1])  # and whatever starts from the file
    results = json.loads((out / "test_results.json").read_text())
    assert results["weights"].endswith("checkpoints/checkpoint_best.pyth")
    run.run(cfg)  # the same command again: over is over
    assert len(stats(out, "val_epoch")) == 4


def test_training_goes_on_while_validations_get_better(config, tmp_path, errors):
    errors([50.0, 51.0, 49.0, 52.0])
    options = ["SOLVER.MAX_EPOCH", 4, "SOLVER.EARLY_STOP_PATIENCE", 2, "TEST.ENABLE", 0]
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
    write, calls = save.write_checkpoint, []

    def fill(path, payload, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            temporary_path(path).symlink_to("/dev/full")
        write(path, payload, **kwargs)

    monkeypatch.setattr(save, "write_checkpoint", fill)
    with pytest.raises(
        CheckpointError, match=r"No space left on device .*last good one is .*\d\.pyth"
    ):
        run.run(config("TEST.ENABLE", 0, "SOLVER.MAX_EPOCH", 3))
    newest = newest_checkpoint(tmp_path / "out")
    assert newest.name == "checkpoint_epoch_00001.pyth"
    monkeypatch.undo()
    run.run(config("TEST.ENABLE", 0, "SOLVER.MAX_EPOCH", 3))
    assert [line["epoch"] for line in stats(tmp_path / "out", "train_epoch")] == [
        "1/3",
        "2/3",
        "3/3",
    ]


@pytest.mark.parametrize("number", ["ENOSPC", "EACCES"])
def test_a_full_disk_is_told_by_whatever_is_written_and_the_run_goes_on_from_there(
    config, tmp_path, monkeypatch, number
):
    add, rows = MetricsCSV.add, []

    def fill(self, values):
        rows.append(1)
        if len(rows) == 6:
            code = getattr(errno, number)
            raise OSError(code, os.strerror(code), str(self.path))
        add(self, values)

    monkeypatch.setattr(MetricsCSV, "add", fill)
    cfg = config("TEST.ENABLE", 0)
    said = (
        (
            CheckpointError,
            r"metrics.csv cannot be written: No space left on device \(\d+ MiB are free",
        )
        if number == "ENOSPC"
        else (PermissionError, "denied")  # not the disk: its own words, and where it happened
    )
    with pytest.raises(said[0], match=said[1]):
        run.run(cfg)
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert record["status"] == "failed"
    run.run(cfg)
    assert [line["epoch"] for line in stats(tmp_path / "out", "train_epoch")] == ["1/2", "2/2"]


def test_a_run_resumes_from_the_newest_whole_checkpoint_and_names_the_torn_one(config, tmp_path):
    cfg = config("TEST.ENABLE", 0)
    run.run(cfg)
    out = tmp_path / "out"
    torn = checkpoint_path(out, 1)
    torn.write_bytes(torn.read_bytes()[:1000])
    leftover = torn.with_name(f"{torn.name}.tmp")
    leftover.write_bytes(b"half")
    run.run(cfg)
    text = (out / "stdout.log").read_text()
    assert f"checkpoint {torn} is left out, it is damaged" in text
    assert "resuming after 0 batches of epoch 2" in text
    assert not leftover.exists()
    assert not damage(torn)


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
    earlier = checkpoint_folder(out) / "earlier-1"
    assert len(list(earlier.glob("*.pyth"))) == 4
    moved = {"config.yaml", "metrics.csv", "run.json", "stdout.log"}
    assert moved <= {path.name for path in earlier.iterdir()}
    assert len({row["epoch"] for row in read_rows(out / "metrics.csv")}) == 2
    tested = json.loads((out / "test_results.json").read_text())["weights"]
    assert tested.endswith("checkpoints/checkpoint_epoch_00002.pyth")
    assert "RNG_SEED: 5" in torch.load(tested, weights_only=True)["cfg"]


def test_a_damaged_newest_checkpoint_does_not_cost_the_good_one(config, tmp_path, monkeypatch):
    out = tmp_path / "out"
    run.run(config("TEST.ENABLE", 0))
    torn = checkpoint_path(out, 1)
    torn.write_bytes(b"torn")
    monkeypatch.setattr(trainer.Trainer, "run_epoch", lambda *_: 1 / 0)  # before anything is saved
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            run.run(config("TEST.ENABLE", 0, "TRAIN.KEEP_CHECKPOINTS", 1))
        assert newest_checkpoint(out) == checkpoint_path(out, 0)
    assert (checkpoint_folder(out) / "earlier-1" / torn.name).read_bytes() == b"torn"


@pytest.mark.parametrize("newer", [".dcp", ".pyth"])
def test_of_a_file_and_a_folder_of_an_epoch_the_whole_one_stays(
    config, tmp_path, monkeypatch, newer
):
    """The newer one is damaged, and one checkpoint is to be kept: it was the damaged one."""
    out = tmp_path / "out"
    run.run(config("TEST.ENABLE", 0))
    file = checkpoint_path(out, 1)
    save.write_sharded(file.with_suffix(".dcp"), torch.load(file, weights_only=True))
    whole, torn = (
        file.with_suffix(suffix) for suffix in ((".pyth", ".dcp")[:: 1 if newer == ".dcp" else -1])
    )
    part = next(torn.glob("__*")) if torn.is_dir() else torn
    part.write_bytes(part.read_bytes()[:-50])
    newest = torn / "plain.pyth" if torn.is_dir() else torn
    os.utime(newest, (2e9, 2e9))
    monkeypatch.setattr(trainer.Trainer, "run_epoch", lambda *_: 1 / 0)  # before anything is saved
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            run.run(
                config(
                    "TEST.ENABLE",
                    0,
                    "TRAIN.KEEP_CHECKPOINTS",
                    1,
                    "SOLVER.MAX_EPOCH",
                    3,
                    "TRAIN.RESUME_ANYWAY",
                    1,
                )
            )
        assert newest_checkpoint(out) == whole
        assert names(out) == ["best", "earlier-1", "epoch_00002"]
    said = (out / "stdout.log").read_text()
    assert f"checkpoint {torn} is left out, it is damaged" in said
    assert said.count("resuming after 0 batches of epoch 3") == 2
    assert [path.name for path in (whole.parent / "earlier-1").iterdir()] == [torn.name]


def in_process(rank, path, folder, options):
    os.environ["LOCAL_WORLD_SIZE"] = "2"
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    try:
        run.run(load_config(path, options))
    except CheckpointError as error:
        (folder / f"said{rank}").write_text(str(error))


@pytest.mark.parametrize(
    ("nth", "options"),
    [
        (1, ["TRAIN.CHECKPOINT_STEPS", 1, "TRAIN.CHECKPOINT_PERIOD", 5, "SOLVER.MAX_EPOCH", 5]),
        (2, ["SOLVER.MAX_EPOCH", 1]),  # the last one: nobody votes any more
        (1, ["DIST.SHARDED_CHECKPOINTS", True, "DIST.STRATEGY", "fsdp"]),
    ],
)
def test_what_one_process_cannot_write_ends_all_with_the_same_words(
    tiny_yaml, tmp_path, monkeypatch, nth, options
):
    """The others lost the connection, or waited for a batch that never came."""
    is_sharded = "DIST.SHARDED_CHECKPOINTS" in options
    owner, name = (sharded, "replace_folder") if is_sharded else (save, "sync")
    write, calls = getattr(owner, name), []

    def full(*paths):
        calls.append(1)
        if len(calls) == nth:
            raise OSError(28, "No space left on device")
        return write(*paths)

    monkeypatch.setattr(owner, name, full)
    start = [str(tiny_yaml), tmp_path, [str(option) for option in options]]
    mp.start_processes(in_process, args=tuple(start), nprocs=2, start_method="fork")
    first, second = ((tmp_path / f"said{rank}").read_text() for rank in range(2))
    assert first == second
    assert "cannot be written: No space left on device" in first


def test_the_best_of_the_run_that_a_file_is_from_is_not_the_best_of_this_one(
    config, tmp_path, errors
):
    errors([10.0, 90.0, 80.0])
    run.run(config("TEST.ENABLE", 0, "SOLVER.MAX_EPOCH", 1))
    file = checkpoint_path(tmp_path / "out", 0)
    cfg = config("OUTPUT_DIR", tmp_path / "new", "SOLVER.MAX_EPOCH", 3, "TEST.ENABLE", 0,
                 "TRAIN.CHECKPOINT_FILE_PATH", file)  # fmt: skip
    run.run(cfg)
    best = torch.load(best_checkpoint(tmp_path / "new"), weights_only=True)
    assert (best["epoch"], best["best"]["badness"]) == (2, 80.0)


def test_skipped_steps_are_looked_for_by_all_processes_together(config, tmp_path, monkeypatch):
    """At log lines, before a checkpoint, and where all have agreed to end; not by one with a signal."""
    looks, batch = [], [0]
    monkeypatch.setattr(nonfinite.NonFiniteGuard, "check", lambda *_: looks.append(batch[0]))
    monkeypatch.setattr(signals, "requested", lambda: True)  # here alone
    monkeypatch.setattr(signals, "agreed", lambda **_: batch[0] == 11)
    cfg = config("LOG_PERIOD", 5, "TRAIN.CHECKPOINT_STEPS", 4, "TRAIN.CHECKPOINT_PERIOD", 9,
                 "SOLVER.MAX_EPOCH", 20)  # fmt: skip
    (tmp_path / "out").mkdir()
    state = build_train_state(cfg, build_model(cfg), torch.device("cpu"))
    videos = read_list(cfg, "train")
    with build_checkpoint_schedule(
        cfg, state, {}, num_batches=100, video_name=videos.name, scalars=log.Scalars()
    ) as saved:
        meter = EpochMeter(0, 100, log.Scalars(), log_period=5, num_epochs=20)
        for batch[0] in range(1, 11):
            saved.after_step(0, batch[0], meter)
        batch[0] = 11
        with pytest.raises(signals.Interrupted):
            saved.after_step(0, 11, meter)
    assert looks == [4, 5, 8, 10, 11]
    assert names(tmp_path / "out") == ["epoch_00001_batch_000008", "epoch_00001_batch_000011"]
