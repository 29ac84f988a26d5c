import json
import logging
import subprocess
import sys
import textwrap

import pytest
import torch

from tests.conftest import ROOT
from timesformer.config import load_config
from timesformer.engine.meters import EpochMeter
from timesformer.engine.nonfinite import StepResult
from timesformer.engine.train_step import BatchResult
from timesformer.files import METRICS
from timesformer.runtime import log
from timesformer.runtime.metrics_csv import read_rows


@pytest.fixture
def config(tiny_yaml):
    return load_config(tiny_yaml, ["LOG_PERIOD", "2"])


def meter_of(num_batches, scalars):
    return EpochMeter(0, num_batches, scalars, log_period=2, num_epochs=2)


def batch(loss, wrong, clips):
    """A loss, and logits of which ``wrong`` of ``clips`` rows are wrong."""
    labels = torch.zeros(clips, dtype=torch.int64)
    logits = torch.tensor([[0.0, 1.0, 0.0]] * wrong + [[1.0, 0.0, 0.0]] * (clips - wrong))
    return BatchResult(torch.tensor(loss), logits, labels)


def lines(caplog):
    return [
        json.loads(r.getMessage().removeprefix("json_stats: "))
        for r in caplog.records
        if "json_stats" in r.getMessage()
    ]


def test_windows_are_medians_and_epochs_are_means_over_clips(caplog):
    caplog.set_level(logging.INFO)
    meter = meter_of(num_batches=3, scalars=log.Scalars(None))
    meter.update(batch(1.0, wrong=4, clips=4), 0.1, ())
    meter.update(batch(2.0, wrong=0, clips=4), 0.1, ("a.mp4: broken",))
    meter.update(batch(5.0, wrong=1, clips=2), 0.1, ())
    meter.finish()
    window, epoch = lines(caplog)
    assert (window["_type"], window["iter"], window["loss"]) == ("train_iter", "2/3", 1.5)
    assert (window["top1_err"], window["unreadable"]) == (50, 1)
    assert epoch["_type"] == "train_epoch"
    assert epoch["loss"] == pytest.approx((4 * 1 + 4 * 2 + 2 * 5) / 10)
    assert epoch["top1_err"] == pytest.approx(100 * 5 / 10)
    assert (epoch["top5_err"], epoch["unreadable"]) == (0, 1)
    assert "video replaced by another: a.mp4: broken" in caplog.text


def test_a_loss_that_is_not_finite_is_counted_and_left_out(caplog):
    caplog.set_level(logging.INFO)
    meter = meter_of(num_batches=4, scalars=log.Scalars(None))
    for loss, skipped in (
        (1.0, 0.0),
        (float("inf"), 1.0),
        (float("nan"), 1.0),
        (float("nan"), 1.0),
    ):
        step = StepResult(torch.tensor(loss), torch.tensor(skipped))
        meter.update(batch(loss, wrong=1, clips=2), 0.1, ("a.mp4: broken",), step)
    meter.finish()
    first, second, epoch = lines(caplog)
    assert [line["skipped_steps"] for line in (first, second, epoch)] == [1, 3, 3]
    assert [line["loss"] for line in (first, second, epoch)] == [1.0, None, 1.0]
    assert (epoch["top1_err"], epoch["unreadable"]) == (50, 4)


def run_batches(batches, *, stop_after=None, scalars=None):
    """The meter of an epoch, its state handed to another meter after ``stop_after`` batches."""
    scalars = log.Scalars(None) if scalars is None else scalars
    meter = meter_of(num_batches=len(batches), scalars=scalars)
    for i, (loss, wrong, clips) in enumerate(batches):
        if i == stop_after:
            state = json.loads(json.dumps(meter.state_dict()))
            meter = meter_of(num_batches=len(batches), scalars=scalars)
            meter.load_state_dict(state)
        step = StepResult(torch.tensor(loss * 10), torch.tensor(0.0))
        meter.update(batch(loss, wrong, clips), 0.1, ("x: broken",) * (i == 0), step)
    meter.finish()


TIMES = {"dt", "dt_data", "dt_net", "eta", "RAM", "clips_per_second"}


@pytest.mark.parametrize("stop_after", range(5))
def test_an_epoch_that_was_interrupted_has_the_same_statistics(caplog, stop_after):
    caplog.set_level(logging.INFO)
    batches = [(1.0, 4, 4), (2.0, 0, 4), (5.0, 1, 2), (3.0, 2, 4), (7.0, 1, 4)]
    run_batches(batches)
    whole = lines(caplog)
    caplog.clear()
    run_batches(batches, stop_after=stop_after)
    resumed = lines(caplog)
    assert len(whole) == 3
    for a, b in zip(whole, resumed, strict=True):
        assert {k: v for k, v in a.items() if k not in TIMES} == {
            k: v for k, v in b.items() if k not in TIMES
        }
    assert [line.get("grad_norm") for line in whole] == [20, 30, None]
    assert [line["unreadable"] for line in whole] == [1, 1, 1]


def test_throughput_counts_the_clips_of_the_window_since_the_clock_runs(caplog, monkeypatch):
    """A second a batch: 4 + 2 clips in 2 s; after resuming within a window 2 clips in 1 s."""
    monkeypatch.setattr("timesformer.engine.meters.Clock.seconds", lambda self: self.batches * 1.0)
    caplog.set_level(logging.INFO)
    run_batches([(1.0, 0, 4), (1.0, 0, 2)])
    run_batches([(1.0, 0, 4), (1.0, 0, 2)], stop_after=1)
    first, second = [s for s in lines(caplog) if s["_type"] == "train_iter"]
    assert (first["clips_per_second"], first["dt"]) == (3, 1)
    assert (second["clips_per_second"], second["dt"]) == (2, 1)


def test_lines_become_rows_of_metrics_csv_and_points_of_tensorboard(config, tmp_path):
    (tmp_path / "out").mkdir()
    scalars = log.build_scalars(config, epoch=0)
    points = {}
    scalars.add = lambda values, step: [points.setdefault((k, step), v) for k, v in values.items()]
    run_batches([(1.0, 4, 4), (2.0, 0, 4), (5.0, 1, 2)], scalars=scalars)
    window, epoch = read_rows(tmp_path / "out" / METRICS)
    assert (window["type"], window["epoch"], window["batch"]) == ("train_iter", "1", "2")
    assert (float(window["loss"]), float(window["grad_norm"])) == (1.5, 20)
    assert float(window["clips_per_second"]) > 0
    assert float(window["ram_gib"]) > 0.01
    assert (epoch["type"], float(epoch["loss"])) == ("train_epoch", 2.2)
    assert points["Train/grad_norm", 1] == 20
    assert points["Train/clips_per_second", 1] > 0
    assert points["Train/ram_gib", 1] > 0.01
    assert {"Train/dt_data", "Train/gpu_gib"} < {name for name, _ in points}


def test_numbers_are_printed_with_five_decimals_and_sorted_keys(caplog):
    caplog.set_level(logging.INFO)
    log.json_stats(logging.getLogger("x"), {"b": 0.1, "a": "0:01:02", "c": float("nan"), "d": 3})
    assert caplog.messages == ['json_stats: {"a": "0:01:02", "b": 0.10000, "c": null, "d": 3}']


def test_times_are_hours_minutes_seconds():
    assert log.eta(3725.9) == "1:02:05"


def test_every_step_keeps_its_own_learning_rate(monkeypatch):
    added = []

    class Board:
        def add(self, values, step):
            added.extend((step, v) for k, v in values.items() if k == "Train/lr")

        def row(self, values):
            pass

    meter = meter_of(num_batches=3, scalars=Board())
    for lr in (0.3, 0.2, 0.1):
        meter.update(batch(1.0, wrong=0, clips=2), lr, ())
    meter.finish()
    assert added == [(0, 0.3), (1, 0.2), (2, 0.1)]


def test_an_epoch_is_summed_where_its_tensors_live():
    """NCCL has no backend for tensors on the CPU."""
    code = textwrap.dedent(f"""
        import sys, torch, torch.distributed as dist
        sys.path.insert(0, {str(ROOT)!r})
        from timesformer.runtime import collectives, log
        from tests.engine.test_meters import batch, meter_of
        summed = []
        collectives.all_reduce_sum = lambda values: summed.append(values.shape) or values
        meter = meter_of(1, log.Scalars(None))
        meter.update(batch(1.0, 1, 2), 0.1, ("a: broken",))
        meter.finish()
        assert summed == [torch.Size([1, 6])], summed  # the device window and nothing else
    """)
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
