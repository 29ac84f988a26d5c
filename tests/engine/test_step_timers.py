"""What --profile records, and that nothing is recorded otherwise."""

import gzip
import json
import logging
import time

import pytest
import torch

from timesformer.config import ConfigError, load_config
from timesformer.engine.profiler import profile_run
from timesformer.engine.step_timers import PARTS, TRACE, WARM_UP, StepTimers
from timesformer.runtime import collectives

CPU = torch.device("cpu")


def slowly(count, seconds=0.0):
    for i in range(count):
        time.sleep(seconds)
        yield i


class TakesTime:
    """A step of which ``forward`` takes ``seconds``."""

    def __init__(self, seconds):
        self.seconds = seconds

    def forward(self):
        time.sleep(self.seconds)

    prepare = backward = update = lambda self: None


def run(timers, count, *, wait=0.0, forward=0.0):
    seen, step = [], TakesTime(forward)
    timers.attach(step)
    for batch in timers.batches(slowly(count, wait)):
        step.forward()
        seen.append(batch)
    return seen


def test_each_part_is_timed(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    timers = StepTimers(3, tmp_path, CPU)
    assert run(timers, 3 + WARM_UP, wait=0.03, forward=0.06) == list(range(3 + WARM_UP))
    assert 0.09 <= timers.seconds["data wait"] < 0.15  # three of five
    assert 0.18 <= timers.seconds["forward"] < 0.30
    assert timers.seconds["backward"] == 0
    assert "3 steps, after 2 to warm up; trace: " in caplog.text
    assert "all-reduce" in caplog.text
    with gzip.open(tmp_path / TRACE, "rt") as file:
        events = json.load(file)["traceEvents"]
    assert sum(e["name"] == "forward" and e["ph"] == "X" for e in events) == 3


def test_the_table_adds_up():
    timers = StepTimers(2, ".", CPU)
    timers.seconds |= {"data wait": 0.1, "copy": 0.0, "forward": 0.3, "backward": 0.4}
    timers._recorded = 2
    lines = timers.table(total=1.0, all_reduce=0.25).splitlines()
    found = {line[:12].strip(): line[12:].split()[:2] for line in lines[2:]}
    assert list(found) == [*PARTS, "other", "step", "all-reduce"]
    assert found["forward"] == ["150.0", "30"]
    assert found["other"] == ["100.0", "20"]
    assert found["step"] == ["500.0", "100"]
    assert lines[-1] == "all-reduce      125.0   25 % (part of the above)"


def test_fewer_batches_than_asked_for_are_recorded_too(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    run(StepTimers(9, tmp_path, CPU), 4)
    assert "2 steps, after 2 to warm up" in caplog.text


@pytest.mark.parametrize("count", [0, WARM_UP])
def test_an_epoch_that_is_all_warm_up_is_named(tmp_path, caplog, count):
    timers = StepTimers(3, tmp_path, CPU)
    assert run(timers, count) == list(range(count))
    assert "nothing is recorded: the epoch ends with the 2 batches that warm up" in caplog.text
    assert timers._profile is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("count", [0, 4])
def test_nothing_is_recorded_unless_asked_for(tmp_path, count, monkeypatch):
    monkeypatch.setattr(collectives, "is_main", lambda: count == 0)  # one process records
    timers = StepTimers(count, tmp_path, CPU)
    assert run(timers, 8) == list(range(8))
    assert not any(timers.seconds.values())
    assert not list(tmp_path.iterdir())


def test_a_profiled_training_leaves_a_table_and_a_trace(tiny_yaml, tmp_path):
    profile_run(load_config(tiny_yaml), 2)
    folder = tmp_path / "out/profile"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["profile"]
    assert (folder / TRACE).stat().st_size > 1000
    assert not (folder / "checkpoints").exists()
    text = (folder / "stdout.log").read_text()
    shares = {line[:12].strip(): float(line.split()[-2]) for line in text.splitlines()
              if line.startswith((*PARTS, "other"))}  # fmt: skip
    assert set(shares) == {*PARTS, "other"}
    assert sum(shares.values()) == pytest.approx(100, abs=3)
    assert min(shares["forward"], shares["backward"]) > 0


def test_without_training_there_is_nothing_to_profile(tiny_yaml):
    with pytest.raises(ConfigError, match="TRAIN.ENABLE is False; set it to True"):
        profile_run(load_config(tiny_yaml, ["TRAIN.ENABLE", "False"]), 2)
