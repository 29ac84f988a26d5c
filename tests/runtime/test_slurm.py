"""Jobs of a scheduler: the command of each machine, what happens to one that must go."""

import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from timesformer.runtime import slurm
from timesformer.runtime.slurm import SlurmTask

TASK = SlurmTask("/configs/a.yaml", ("NUM_GPUS", "2"))


def job(**facts):
    return SimpleNamespace(
        **{"num_nodes": 1, "node": 0, "job_id": "77", "hostnames": ["a"]} | facts
    )


def test_one_machine_runs_the_plain_command():
    python, *rest = TASK.command(job())
    assert [python, *rest[:3]] == [sys.executable, "-m", "timesformer", "train"]
    assert rest[3:] == ["--cfg", "/configs/a.yaml", "NUM_GPUS", "2"]


def test_several_machines_meet_on_the_first_at_a_port_of_the_job():
    command = TASK.command(job(num_nodes=3, node=2, hostnames=["a", "b", "c"], job_id="123456_7"))
    assert command[4:10] == ["--num_shards", "3", "--shard_id", "2", "--init_method",
                            f"tcp://a:{20000 + 1234567 % 20000}"]  # fmt: skip


@pytest.fixture
def child(monkeypatch):
    """A run whose process notes SIGTERM, or does not heed it."""

    def start(code):
        task = SlurmTask("a.yaml", ("K", "V"))
        command = [sys.executable, "-S", "-c", f"import signal, sys, time\n{code}"]
        task.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        task.process.stdout.readline()  # it is ready
        return task

    return start


def test_a_job_that_must_go_saves_and_is_queued_again(child, monkeypatch):
    pytest.importorskip("submitit")
    task = child(
        "signal.signal(signal.SIGTERM, lambda *_: (print('saved'), sys.exit(0)))\n"
        "print('ready', flush=True)\ntime.sleep(60)"
    )
    queued = []

    def strike(*_):  # while the job waits for its run
        queued.append(task.checkpoint().function)
        raise InterruptedError

    monkeypatch.setattr(slurm, "SAVE_SECONDS", 10)
    before = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    with pytest.raises(InterruptedError):
        task.process.wait()
    signal.signal(signal.SIGALRM, before)
    assert task.process.communicate()[0] == "saved\n"
    assert task.process.returncode == 0  # it was not killed
    (again,) = queued
    assert again == SlurmTask("a.yaml", ("K", "V"))
    assert not hasattr(again, "process")
    monkeypatch.setattr(slurm, "SAVE_SECONDS", 0.1)
    deaf = child(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(60)"
    )
    deaf.checkpoint()
    assert deaf.process.wait() == -signal.SIGKILL
    for ended in (task, deaf):
        ended.process.stdout.close()


def test_a_run_that_fails_fails_its_job(monkeypatch):
    submitit = pytest.importorskip("submitit")
    monkeypatch.setattr(submitit, "JobEnvironment", job)
    monkeypatch.setattr(
        SlurmTask, "command", lambda *_: [sys.executable, "-S", "-c", "raise SystemExit(2)"]
    )
    with pytest.raises(RuntimeError, match="ended with status 2"):
        TASK()
