"""Two machines on one, one of which dies. Processes are forked, so that nothing is imported again."""

import functools
import multiprocessing
import os
import socket
import sys
import time

import pytest

from timesformer import rendezvous
from timesformer.config import load_config
from timesformer.engine import launch

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
    address = f"127.0.0.1:{launch.free_port()}"

    def start(number):
        os.environ |= rendezvous.environment(
            rank=number, world=2, local_rank=0, local=1, address=address
        )
        launch.launch(cfg)

    stays, dies = machines(start)
    wait_for(tmp_path / "said-0", "train_iter")
    dies.kill()
    died = time.monotonic()
    stays.join(LIMIT)
    assert time.monotonic() - died < 60
    said = (tmp_path / "said-0").read_text()
    assert stays.exitcode == 1, said
    host = socket.gethostname()
    (error,) = [line for line in said.splitlines() if "[ERROR]" in line]
    assert f"process 0 of 2 on {host} must end: process 1 of 2 on {host} ended without a" in error
    assert error.endswith("the same command resumes from the newest checkpoint")
    assert "Traceback" not in said
