"""Signals in every part of a run: it saves, ends with status 0, and goes on as if nothing had been."""

import itertools
import json
import os
import signal
import time

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.conftest import TINY
from tests.engine.test_train import final_weights, losses, same_state, stats
from timesformer.config import load_config
from timesformer.engine import run, train, train_step
from timesformer.evaluation import test as testing
from timesformer.evaluation import validate
from timesformer.runtime import metrics_csv, signals

# Every draw on, an average, groups of two batches; 6 batches are 3 steps, and no line ends with one.
OPTIONS = {"TIMESFORMER.DROP_PATH_RATE": 0.3, "TIMESFORMER.DROP_RATE": 0.1, "MIXUP.ENABLED": 1,
           "TRAIN.EMA_DECAY": 0.5, "LOG_PERIOD": 5, "TENSORBOARD.ENABLE": 1,
           "TRAIN.CHECKPOINT_PERIOD": 2, "TEST.NUM_ENSEMBLE_VIEWS": 1}  # fmt: skip


@pytest.fixture(scope="module")
def config(data_dir, tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    pairs = [str(text) for pair in OPTIONS.items() for text in pair]
    pairs += ["DATA.PATH_TO_DATA_DIR", str(data_dir)]
    return lambda folder, *more: load_config(path, [*pairs, "OUTPUT_DIR", str(folder), *more])


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory):
    """A run that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    run.run(config(folder))
    return folder


def strike(monkeypatch, owner, name, at, number):
    """Send this process signal ``number`` before call ``at`` of ``owner.name``; returns the undoing."""
    original, calls = getattr(owner, name), []

    def struck(*args, **kwargs):
        calls.append(1)
        if len(calls) == at:
            os.kill(os.getpid(), number)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, struck)


MOMENTS = {
    "in a group": (train_step.TrainStep, "accumulate", 3, signal.SIGTERM),
    "after a step": (train_step.TrainStep, "accumulate", 4, signal.SIGUSR2),
    "in the last step of an epoch": (train_step.TrainStep, "accumulate", 6, signal.SIGTERM),
    "in a validation": (validate.Validator, "run", 1, signal.SIGTERM),
    "in the last validation": (validate.Validator, "run", 2, signal.SIGUSR1),
    "in the test": (testing, "build_scoring", 1, signal.SIGTERM),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_saves_and_the_resumed_run_ends_like_an_uninterrupted_one(
    config, whole, tmp_path, monkeypatch, moment
):
    with monkeypatch.context() as patch:
        strike(patch, *MOMENTS[moment])
        with pytest.raises(SystemExit) as end:
            run.run(config(tmp_path))
    assert end.value.code == 0
    assert "ended by SIG" in (tmp_path / "stdout.log").read_text()
    assert not (tmp_path / "test_results.json").exists()
    run.run(config(tmp_path))
    assert losses(tmp_path) == losses(whole)
    for kind in ("train_epoch", "val_epoch", "test_final"):
        assert numbers(tmp_path, kind) == numbers(whole, kind)
    assert rows(tmp_path) == rows(whole)
    assert curves(tmp_path) == curves(whole)
    assert same_state(final_weights(tmp_path, 2), final_weights(whole, 2))
    saved = torch.load(tmp_path / "checkpoints/checkpoint_epoch_00002.pyth", weights_only=True)
    expected = torch.load(whole / "checkpoints/checkpoint_epoch_00002.pyth", weights_only=True)
    assert same_state(saved["ema_state"], expected["ema_state"])
    assert not same_state(saved["ema_state"], saved["model_state"])
    assert saved["best"] == expected["best"]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize(("stalled", "batch"), [(0, 0), (8, 2), (24, 0)])
def test_a_signal_ends_the_wait_for_a_batch_and_loses_nothing(
    config, whole, tmp_path, monkeypatch, stalled, batch
):
    """The one loader process stalls at a read, counted from 0; batches are of four clips."""
    build, main = train.build_loader, os.getpid()

    def build_stalling(cfg, split, **options):
        loader = build(cfg, split, **options)
        read, counts = loader.dataset.read, itertools.count()

        def stalling(*args, **kwargs):
            if next(counts) == stalled:
                time.sleep(1)  # the process of the run has done its steps and waits
                os.kill(main, signal.SIGTERM)
                time.sleep(100)
            return read(*args, **kwargs)

        loader.dataset.read = stalling
        return loader

    began = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(train, "build_loader", build_stalling)
        with pytest.raises(SystemExit) as end:
            run.run(config(tmp_path, "DATA_LOADER.NUM_WORKERS", "1"))
    assert end.value.code == 0
    assert time.monotonic() - began < 90
    epoch = 1 + stalled // 24
    said = f"ended by SIGTERM after epoch {epoch}, batch {batch} of 6; it is saved"
    assert said in (tmp_path / "stdout.log").read_text()
    run.run(config(tmp_path))
    assert losses(tmp_path) == losses(whole)
    for kind in ("train_epoch", "val_epoch", "test_final"):
        assert numbers(tmp_path, kind) == numbers(whole, kind)
    assert same_state(final_weights(tmp_path, 2), final_weights(whole, 2))


def numbers(folder, kind):
    """What lines of ``kind`` say, but for times and memory."""
    varies = {"dt", "dt_data", "dt_net", "eta", "RAM", "time_diff", "gpu_mem"}
    return [{k: v for k, v in line.items() if k not in varies} for line in stats(folder, kind)]


def rows(folder):
    names = ("type", "epoch", "batch", "loss", "lr", "grad_norm", "top1_err")
    return [[row[name] for name in names] for row in metrics_csv.read_rows(folder / "metrics.csv")]


def curves(folder):
    """Points by step: event files of one second have no order among themselves."""
    events = EventAccumulator(str(folder / "runs-kinetics"))
    events.Reload()
    tags = ("Train/loss", "Train/lr", "Val/Top1_err")
    return {tag: sorted((point.step, point.value) for point in events.Scalars(tag)) for tag in tags}


def test_ctrl_c_saves_once_and_ends_at_once_when_repeated(config, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        strike(patch, train_step.TrainStep, "accumulate", 2, signal.SIGINT)
        with pytest.raises(SystemExit) as end:
            run.run(config(tmp_path))
    assert end.value.code == 130
    assert (tmp_path / "checkpoints/checkpoint_epoch_00001_batch_000002.pyth").exists()
    with signals.listening():
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.requested()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_signals_get_their_handlers_back():
    before = signal.getsignal(signal.SIGTERM)
    with signals.listening():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
    with signals.listening():
        assert not signals.requested()


def test_the_time_limit_ends_a_run_like_a_signal(config, whole, tmp_path, monkeypatch):
    """The clock jumps over the limit in the third batch; the same command finishes the run."""
    backward, calls = train_step.TrainStep.accumulate, []

    def slow(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            signals._deadline[0] = 0.0
        return backward(*args, **kwargs)

    cfg = config(tmp_path, "TRAIN.MAX_MINUTES", "600")
    with monkeypatch.context() as patch:
        patch.setattr(train_step.TrainStep, "accumulate", slow)
        with pytest.raises(SystemExit) as end:
            run.run(cfg)
    assert end.value.code == 0
    place = "after epoch 1, batch 4 of 6; it is saved, the same command resumes there"
    assert f"ended by TRAIN.MAX_MINUTES {place}" in (tmp_path / "stdout.log").read_text()
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["status"], record["reason"]) == (
        "stopped",
        f"ended by TRAIN.MAX_MINUTES {place}",
    )
    run.run(cfg)
    assert losses(tmp_path) == losses(whole)
    assert rows(tmp_path) == rows(whole)
    record = json.loads((tmp_path / "run.json").read_text())
    assert [session["status"] for session in record["sessions"]] == ["stopped", "finished"]


def test_time_is_counted_from_when_it_listens():
    with signals.listening(3600):
        assert not signals.requested()
    with signals.listening(0.0):
        assert signals.requested()
    with signals.listening():
        assert not signals.requested()
