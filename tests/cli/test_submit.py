"""What is asked of the scheduler, and what is queued."""

import os
import sys
from types import SimpleNamespace

import pytest

from timesformer.cli.app import run


@pytest.fixture
def submit():
    """Run the command in this process; returns its status."""
    return lambda *words: run([str(word) for word in words], name="submit")


def test_the_published_arguments_ask_for_what_they_did(
    submit, monkeypatch, tiny_yaml, tmp_path, capsys
):
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
    code = submit("--cfg", tiny_yaml, "--job_dir", tmp_path / "job", "--num_gpus", 4,
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


def test_what_cannot_run_is_not_queued(submit, monkeypatch, tiny_yaml, tmp_path, capsys):
    pytest.importorskip("submitit")
    wrong = ["--cfg", tiny_yaml, "--job_dir", tmp_path, "NUM_GPUS", 3]
    assert submit(*wrong) == 2
    assert "NUM_GPUS (3) must divide it" in capsys.readouterr().err
    monkeypatch.setenv("PATH", str(tmp_path))  # without srun
    assert submit("--cluster", "slurm", *wrong[:-1], 0) == 2
    assert 'error: --cluster slurm: Could not detect "srun"' in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert submit(*wrong) == 2
    assert "pip install submitit" in capsys.readouterr().err


@pytest.mark.slow
def test_a_local_job_trains(submit, monkeypatch, tiny_yaml, tmp_path):
    pytest.importorskip("submitit")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    code = submit("--cluster", "local", "--wait", "--cfg", tiny_yaml, "--job_dir",
                  tmp_path / "job", "--num_gpus", 0, "SOLVER.MAX_EPOCH", 1, "TEST.ENABLE", 0)  # fmt: skip
    assert code == 0
    assert (tmp_path / "job/checkpoints/checkpoint_epoch_00001.pyth").is_file()
