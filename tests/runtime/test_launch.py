"""How runs start: any number of processes, machines by hand, and what can go wrong there."""

import json
import os
import signal
from types import SimpleNamespace

import pytest

from timesformer.config import ConfigError, load_config
from timesformer.engine.run import launch_run
from timesformer.runtime import collectives, launch, rendezvous


@pytest.fixture
def config(tiny_yaml):
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in overrides])


@pytest.mark.parametrize("url", ["", "host:99", "tcp://host", "file:///tmp/x", "tcp://:99"])
def test_machines_need_an_address_of_the_first(config, url):
    cfg = config("NUM_SHARDS", 2, "TRAIN.BATCH_SIZE", 2)
    with pytest.raises(
        ConfigError, match=r"--init_method is .*\(2\) machines need tcp://host:port"
    ):
        launch_run(cfg, init_method=url)


def test_signals_of_a_scheduler_reach_the_processes(monkeypatch):
    sent = []

    def kill(pid, number):
        if pid == 2:
            raise ProcessLookupError
        sent.append((pid, number))

    monkeypatch.setattr(os, "kill", kill)
    before = signal.getsignal(signal.SIGTERM)
    with launch._forwarded_signals([1, 2, 3]):
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
            signal.raise_signal(number)
        signal.raise_signal(signal.SIGINT)  # reaches them by itself
    assert signal.getsignal(signal.SIGTERM) is before
    assert sent == [
        (p, n) for n in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM) for p in (1, 3)
    ]


def test_a_machine_that_waits_in_vain_names_the_missing_processes(config, monkeypatch, capsys):
    address = f"localhost:{launch.free_port()}"
    found = rendezvous.environment(
        rank=0, world_size=2, local_rank=0, local_world_size=1, address=address
    )
    for key, value in found.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(SystemExit, match="2"):
        launch_run(config("DIST.TIMEOUT", 1))
    assert "process 1, all of machine 1 (--shard_id)" in capsys.readouterr().out


def fails_second(cfg):
    """Rank 1 fails by itself; rank 0 waits for it, and fails only because it has gone."""
    if collectives.rank() == 1:
        raise ValueError("a fault of rank 1")
    collectives.barrier()


def passes(cfg):
    """No problem."""


def test_the_error_of_the_rank_that_failed_first_is_logged(config, capfd):
    with pytest.raises(SystemExit, match="1"):
        launch.launch(fails_second, config("DIST.CPU_PROCESSES", 2), check=passes)
    said = capfd.readouterr().out
    (line,) = [line for line in said.splitlines() if "process 0 of 2" in line]
    assert "must end: process 1 of 2 on " in line
    assert "ended: ValueError: a fault of rank 1" in line
    assert said.rstrip().endswith("ValueError: a fault of rank 1")
    assert said.count("Traceback") == 1


@pytest.mark.parametrize(
    ("times", "noticed", "first"),
    [({0: 20, 1: 10}, 0, 1), ({0: 10, 1: 10}, 1, 1), ({1: 10}, 0, 1), ({}, 1, 1)],
)
def test_the_oldest_error_file_is_that_of_the_first_failure(tmp_path, times, noticed, first):
    for rank, time in times.items():
        message = {"message": "", "extraInfo": {"timestamp": str(time), "py_callstack": ""}}
        (tmp_path / f"{rank}.json").write_text(json.dumps({"message": message}))
    processes = [SimpleNamespace(pid=i, exitcode=code) for i, code in enumerate((1, 2, 0))]
    found = launch._first_failure(processes, tmp_path, noticed)
    assert (found.local_rank, found.exitcode) == (first, first + 1)


@pytest.mark.parametrize("text", ["", '{"mess', "[]", '{"a": 1}'])
def test_an_error_file_that_a_full_disk_has_cut_off_counts_as_none(tmp_path, text):
    (tmp_path / "0.json").write_text(text)
    found = launch._first_failure([SimpleNamespace(pid=1, exitcode=-9)], tmp_path, 0)
    assert (found.exitcode, found.message) == (-9, "Signal 9 (SIGKILL) received by PID 1")
