import json
import logging
import subprocess
import sys
import textwrap

import pytest
import torch

from tests.conftest import ROOT
from timesformer.config import load_config
from timesformer.engine import log
from timesformer.engine.meters import EpochMeter


@pytest.fixture
def config(tiny_yaml):
    return load_config(tiny_yaml, ["LOG_PERIOD", "2"])


def batch(loss, wrong, clips):
    """A loss, and logits of which ``wrong`` of ``clips`` rows are wrong."""
    labels = torch.zeros(clips, dtype=torch.int64)
    logits = torch.tensor([[0.0, 1.0, 0.0]] * wrong + [[1.0, 0.0, 0.0]] * (clips - wrong))
    return torch.tensor(loss), logits, labels


def lines(caplog):
    return [
        json.loads(r.getMessage().removeprefix("json_stats: "))
        for r in caplog.records
        if "json_stats" in r.getMessage()
    ]


def test_windows_are_medians_and_epochs_are_means_over_clips(config, caplog):
    caplog.set_level(logging.INFO)
    meter = EpochMeter(config, epoch=0, num_batches=3, scalars=log.Scalars(None))
    meter.update(*batch(1.0, wrong=4, clips=4), 0.1, ())
    meter.update(*batch(2.0, wrong=0, clips=4), 0.1, ("a.mp4: broken",))
    meter.update(*batch(5.0, wrong=1, clips=2), 0.1, ())
    meter.finish()
    window, epoch = lines(caplog)
    assert (window["_type"], window["iter"], window["loss"]) == ("train_iter", "2/3", 1.5)
    assert (window["top1_err"], window["unreadable"]) == (50, 1)
    assert epoch["_type"] == "train_epoch"
    assert epoch["loss"] == pytest.approx((4 * 1 + 4 * 2 + 2 * 5) / 10)
    assert epoch["top1_err"] == pytest.approx(100 * 5 / 10)
    assert (epoch["top5_err"], epoch["unreadable"]) == (0, 1)
    assert "video replaced by another: a.mp4: broken" in caplog.text


def test_an_infinite_loss_is_caught_at_the_end_of_an_epoch_too(config):
    meter = EpochMeter(config, epoch=1, num_batches=1, scalars=log.Scalars(None))
    meter.update(*batch(float("inf"), wrong=0, clips=2), 0.1, ())
    with pytest.raises(FloatingPointError, match="loss is inf in epoch 2, batch 1 of 1"):
        meter.finish()


def test_numbers_are_printed_with_five_decimals_and_sorted_keys(caplog):
    caplog.set_level(logging.INFO)
    log.json_stats(logging.getLogger("x"), {"b": 0.1, "a": "0:01:02", "c": float("nan"), "d": 3})
    assert caplog.messages == ['json_stats: {"a": "0:01:02", "b": 0.10000, "c": null, "d": 3}']


def test_times_are_hours_minutes_seconds():
    assert log.eta(3725.9) == "1:02:05"


def test_every_step_keeps_its_own_learning_rate(config, monkeypatch):
    added = []

    class Board:
        def add(self, values, step):
            added.append((step, values["Train/lr"]))

    meter = EpochMeter(config, epoch=0, num_batches=3, scalars=Board())
    for lr in (0.3, 0.2, 0.1):
        meter.update(*batch(1.0, wrong=0, clips=2), lr, ())
    meter.finish()
    assert added == [(0, 0.3), (1, 0.2), (2, 0.1)]


def test_an_epoch_is_summed_where_its_tensors_live(config):
    """NCCL has no backend for tensors on the CPU."""
    code = textwrap.dedent(f"""
        import sys, torch, torch.distributed as dist
        sys.path.insert(0, {str(ROOT)!r})
        from timesformer import distributed
        from timesformer.engine import log
        from timesformer.engine.meters import EpochMeter
        from tests.engine.test_meters import batch
        from timesformer.config import defaults
        summed = []
        distributed.total = lambda values: summed.append(values.shape) or values
        meter = EpochMeter(defaults(), 0, 1, log.Scalars(None))
        meter.update(*batch(1.0, 1, 2), 0.1, ("a: broken",))
        meter.finish()
        assert summed == [torch.Size([1, 5])], summed  # the device window and nothing else
    """)
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
