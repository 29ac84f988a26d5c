"""Jobs of a scheduler: the command of each machine, what happens to one that must go."""

import os
import runpy
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.conftest import ROOT
from timesformer.runtime import slurm
from timesformer.runtime.slurm import SlurmTask

TASK = SlurmTask("/configs/a.yaml", ("NUM_GPUS", "2"))


def job(**facts):
    return SimpleNamespace(
        **{"num_nodes": 1, "node": 0, "job_id": "77", "hostnames": ["a"]} | facts
    )


def test_one_machine_runs_the_plain_command():
    python, tool, *rest = TASK.command(job())
    assert (python, tool) == (sys.executable, str(ROOT / "tools/run_net.py"))
    assert rest == ["--cfg", "/configs/a.yaml", "NUM_GPUS", "2"]


def test_several_machines_meet_on_the_first_at_a_port_of_the_job():
    command = TASK.command(job(num_nodes=3, node=2, hostnames=["a", "b", "c"], job_id="123456_7"))
    assert command[2:8] == ["--num_shards", "3", "--shard_id", "2", "--init_method",
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


def submit(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["submit.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "tools/submit.py"), run_name="__main__")
    return end.value.code


def test_the_published_arguments_have_their_meaning(monkeypatch, tiny_yaml, tmp_path, capsys):
    submitit = pytest.importorskip("submitit")
    asked = {}

    class Executor:
        def __init__(self, folder, cluster, slurm_max_num_timeout):
            asked.update(folder=folder, cluster=cluster, timeouts=slurm_max_num_timeout)

        def update_parameters(self, **wanted):
            asked.update(wanted)

        def submit(self, task):
            asked["task"] = task
            return SimpleNamespace(job_id="5", paths=SimpleNamespace(stdout="5.out"))

    monkeypatch.setattr(submitit, "AutoExecutor", Executor)
    code = submit(monkeypatch, "--cfg", tiny_yaml, "--job_dir", tmp_path / "job", "--num_gpus", 4,
                  "--num_shards", 2, "--partition", "gpu", "--timeout", 60, "--name", "k400",
                  "--use_volta32", "--postfix", "_a", "--mail", "a@b.c", "--comment", "soon",
                  "--resume-from", tmp_path / "x.pyth", "SOLVER.MAX_EPOCH", 3)  # fmt: skip
    assert code == 0
    assert asked["folder"] == str(tmp_path / "job/submitit/%j")
    assert asked["task"].cfg == os.path.abspath(tiny_yaml)
    assert asked["task"].opts == (
        "NUM_GPUS", "4", "OUTPUT_DIR", str(tmp_path / "job"),
        "TRAIN.CHECKPOINT_FILE_PATH", str(tmp_path / "x.pyth"), "SOLVER.MAX_EPOCH", "3",
    )  # fmt: skip
    expected = {"nodes": 2, "tasks_per_node": 1, "gpus_per_node": 4, "cpus_per_task": 40,
                "mem_gb": 240, "slurm_partition": "gpu", "timeout_min": 60, "name": "k400_a",
                "slurm_constraint": "volta32gb,ib4", "slurm_comment": "soon", "timeouts": 30,
                "slurm_signal_delay_s": 120}  # fmt: skip
    assert {key: asked[key] for key in expected} == expected
    assert asked["slurm_additional_parameters"]["mail_user"] == "a@b.c"
    assert "job 5: results in" in capsys.readouterr().out


def test_a_run_that_cannot_start_is_not_queued(monkeypatch, tiny_yaml, tmp_path, capsys):
    pytest.importorskip("submitit")
    wrong = ["--cfg", tiny_yaml, "--job_dir", tmp_path, "NUM_GPUS", 3]
    assert submit(monkeypatch, *wrong) == 2
    assert "NUM_GPUS (3) must divide it" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert submit(monkeypatch, *wrong) == 2
    assert 'pip install -e ".[slurm]"' in capsys.readouterr().err


@pytest.mark.slow
def test_a_local_job_trains(monkeypatch, tiny_yaml, tmp_path):
    pytest.importorskip("submitit")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    code = submit(monkeypatch, "--cluster", "local", "--wait", "--cfg", tiny_yaml, "--job_dir",
                  tmp_path / "job", "--num_gpus", 0, "SOLVER.MAX_EPOCH", 1, "TEST.ENABLE", 0)  # fmt: skip
    assert code == 0
    assert (tmp_path / "job/checkpoints/checkpoint_epoch_00001.pyth").is_file()
