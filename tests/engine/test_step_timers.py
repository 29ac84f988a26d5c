"""What --profile records, and that nothing is recorded otherwise."""

import gzip
import json
import logging
import time

import pytest
import torch

from timesformer.config import ConfigError, load_config
from timesformer.engine.profiler import profile_run
from timesformer.engine.step_timers import STAGES, TRACE, WARM_UP, Stages
from timesformer.runtime import collectives

CPU = torch.device("cpu")


def slowly(count, seconds=0.0):
    for i in range(count):
        time.sleep(seconds)
        yield i


def run(stages, count, *, wait=0.0, forward=0.0):
    seen = []
    for batch in stages.batches(slowly(count, wait)):
        with stages.stage("forward"):
            time.sleep(forward)
        seen.append(batch)
    return seen


def test_times_go_to_their_stages(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    stages = Stages(3, tmp_path, CPU)
    assert run(stages, 3 + WARM_UP, wait=0.03, forward=0.06) == list(range(3 + WARM_UP))
    assert 0.09 <= stages.seconds["data wait"] < 0.15  # three of five
    assert 0.18 <= stages.seconds["forward"] < 0.30
    assert stages.seconds["backward"] == 0
    assert "3 steps, after 2 to warm up; trace: " in caplog.text
    assert "all-reduce" in caplog.text
    with gzip.open(tmp_path / TRACE, "rt") as file:
        events = json.load(file)["traceEvents"]
    assert sum(e["name"] == "forward" and e["ph"] == "X" for e in events) == 3


def test_the_table_adds_up():
    stages = Stages(2, ".", CPU)
    stages.seconds |= {"data wait": 0.1, "copy": 0.0, "forward": 0.3, "backward": 0.4}
    stages._recorded = 2
    lines = stages.table(total=1.0, all_reduce=0.25).splitlines()
    found = {line[:12].strip(): line[12:].split()[:2] for line in lines[1:]}
    assert list(found) == [*STAGES, "other", "step", "all-reduce"]
    assert found["forward"] == ["150.0", "30"]
    assert found["other"] == ["100.0", "20"]
    assert found["step"] == ["500.0", "100"]
    assert lines[-1] == "all-reduce       125.0    25 % (part of the above)"


def test_fewer_batches_than_asked_for_are_recorded_too(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    run(Stages(9, tmp_path, CPU), 4)
    assert "2 steps, after 2 to warm up" in caplog.text


@pytest.mark.parametrize("count", [0, 4])
def test_nothing_is_recorded_unless_asked_for(tmp_path, count, monkeypatch):
    monkeypatch.setattr(collectives, "is_main", lambda: count == 0)  # one process records
    stages = Stages(count, tmp_path, CPU)
    assert run(stages, 8) == list(range(8))
    assert not any(stages.seconds.values())
    assert not list(tmp_path.iterdir())


def test_a_profiled_training_leaves_a_table_and_a_trace(tiny_yaml, tmp_path):
    profile_run(load_config(tiny_yaml), 2)
    folder = tmp_path / "out/profile"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["profile"]
    assert (folder / TRACE).stat().st_size > 1000
    assert not (folder / "checkpoints").exists()
    text = (folder / "stdout.log").read_text()
    shares = {line[:12].strip(): float(line.split()[-2]) for line in text.splitlines()
              if line.startswith((*STAGES, "other"))}  # fmt: skip
    assert set(shares) == {*STAGES, "other"}
    assert sum(shares.values()) == pytest.approx(100, abs=3)
    assert min(shares["forward"], shares["backward"]) > 0


def test_without_training_there_is_nothing_to_profile(tiny_yaml):
    with pytest.raises(ConfigError, match="TRAIN.ENABLE is False; set it to True"):
        profile_run(load_config(tiny_yaml, ["TRAIN.ENABLE", "False"]), 2)
