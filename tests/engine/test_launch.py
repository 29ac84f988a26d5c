"""How runs start: any number of processes, machines by hand, and what can go wrong there."""

import os
import signal

import pytest

from timesformer.config import ConfigError, load_config
from timesformer.engine import launch
from timesformer.runtime import rendezvous


@pytest.fixture
def config(tiny_yaml):
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in overrides])


@pytest.mark.parametrize("url", ["", "host:99", "tcp://host", "file:///tmp/x", "tcp://:99"])
def test_machines_need_an_address_of_the_first(config, url):
    cfg = config("NUM_SHARDS", 2, "TRAIN.BATCH_SIZE", 2)
    with pytest.raises(
        ConfigError, match=r"--init_method is .*\(2\) machines need tcp://host:port"
    ):
        launch.launch(cfg, init_method=url)


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


def test_a_machine_that_waits_in_vain_ends_with_who_is_missing(config, monkeypatch, capsys):
    address = f"localhost:{launch.free_port()}"
    found = rendezvous.environment(rank=0, world=2, local_rank=0, local=1, address=address)
    for key, value in found.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(SystemExit, match="2"):
        launch.launch(config("DIST.TIMEOUT", 1))
    assert "process 1, all of machine 1 (--shard_id)" in capsys.readouterr().out
