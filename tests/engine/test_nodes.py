"""Two machines on one: agents of torchrun with addresses of their own, one that dies, one that restarts.

All processes are forked, so that nothing is imported again.
"""

import functools
import multiprocessing
import os
import signal
import socket
import sys
import time

import numpy as np
import pytest
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from timesformer.config import load_config
from timesformer.engine import run, train_step
from timesformer.runtime import rendezvous
from timesformer.runtime.launch import free_port
from timesformer.runtime.log import LOG
from timesformer.runtime.metrics_csv import read_rows

LIMIT = 240.0  # of the tests; they need a few seconds


@pytest.fixture
def machines(tmp_path):
    """Start two machines, ``start(number)`` on each; what they print is in said-0 and said-1."""
    started = []

    def begin(start):
        for number in (0, 1):
            said = tmp_path / f"said-{number}"
            process = multiprocessing.get_context("fork").Process(
                target=_with_output, args=(said, functools.partial(start, number))
            )
            process.start()
            started.append(process)
        return started

    yield begin
    for process in started:
        if process.is_alive():
            process.kill()
        process.join()


def _with_output(path, start):
    sys.stdout = sys.stderr = path.open("w", buffering=1)
    start()


def wait_for(path, text):
    deadline = time.monotonic() + LIMIT
    while text not in (path.read_text() if path.exists() else ""):
        assert time.monotonic() < deadline, path.read_text()
        time.sleep(0.05)


@pytest.mark.slow
def test_a_machine_that_dies_ends_the_other_within_a_minute(tiny_yaml, tmp_path, machines):
    options = ["TRAIN.BATCH_SIZE", "2", "LOG_PERIOD", "1", "SOLVER.MAX_EPOCH", "500"]
    cfg = load_config(tiny_yaml, [*options, "TRAIN.EVAL_PERIOD", "500"])
    address = f"127.0.0.1:{free_port()}"

    def start(number):
        os.environ |= rendezvous.environment(
            rank=number, world_size=2, local_rank=0, local_world_size=1, address=address
        )
        run.launch_run(cfg)

    stays, dies = machines(start)
    wait_for(tmp_path / "out" / LOG, "train_iter")
    dies.kill()
    died = time.monotonic()
    stays.join(LIMIT)
    assert time.monotonic() - died < 60
    said = (tmp_path / "said-0").read_text()
    assert stays.exitcode == 1, said
    host = socket.gethostname()
    (error,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert f"process 0 of 2 on {host} must end: process 1 of 2 on {host} exited without" in error
    assert error.endswith("the same command resumes from the newest checkpoint")
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_run_on_two_machines_resumes_when_a_process_of_one_dies(
    tiny_yaml, tmp_path, machines, monkeypatch
):
    """The losses are those of one process that nothing interrupts."""
    steps = ["SOLVER.MAX_EPOCH", "1", "TEST.ENABLE", "False", "LOG_PERIOD", "1"]
    steps += ["TRAIN.CHECKPOINT_STEPS", "1"]
    run.run(load_config(tiny_yaml, [*steps, "OUTPUT_DIR", str(tmp_path / "alone")]))
    cfg = load_config(tiny_yaml, [*steps, "TRAIN.BATCH_SIZE", "2"])
    backward, calls = train_step.TrainStep.accumulate, []

    def dying(*args, **kwargs):
        calls.append(1)
        if len(calls) == 4 and os.environ["RANK"] == "1":
            mark = tmp_path / "has died"
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return backward(*args, **kwargs)

    monkeypatch.setattr(train_step.TrainStep, "accumulate", dying)
    endpoint = f"127.0.0.1:{free_port()}"

    def start(number):
        config = LaunchConfig(
            min_nodes=2,
            max_nodes=2,
            nproc_per_node=1,
            run_id="two machines",
            rdzv_backend="c10d",
            rdzv_endpoint=endpoint,
            rdzv_configs={"is_host": number == 0, "join_timeout": LIMIT},
            local_addr=f"127.0.0.{number + 1}",
            max_restarts=2,
            monitor_interval=0.1,
            start_method="fork",
        )
        elastic_launch(config, run.launch_run)(cfg)

    agents = machines(start)
    for number, agent in enumerate(agents):
        agent.join(LIMIT)
        assert agent.exitcode == 0, (tmp_path / f"said-{number}").read_text()
    assert (tmp_path / "has died").exists()
    assert "resuming after " in (tmp_path / "out/stdout.log").read_text()
    series = [
        [float(row["loss"]) for row in read_rows(tmp_path / folder / "metrics.csv") if row["loss"]]
        for folder in ("out", "alone")
    ]
    assert len(series[0]) == 7
    assert np.abs(np.subtract(*series)).max() < 1e-5
