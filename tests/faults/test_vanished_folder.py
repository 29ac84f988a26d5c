"""An OUTPUT_DIR that is deleted or moved during a run ends it with one line."""

import shutil

import pytest

from tests.conftest import ROOT, run_tool
from timesformer.checkpoint import save
from timesformer.checkpoint.load import CheckpointError
from timesformer.config import load_config
from timesformer.engine import run, train_step
from timesformer.evaluation import test as testing

GONE = "is no longer there: it was deleted or moved during the run"


def delete(out):
    shutil.rmtree(out.rename(out.with_name("trash")))  # at once: the run writes meanwhile


def move(out):
    out.rename(out.with_name("moved"))


@pytest.mark.parametrize("vanish", [delete, move])
@pytest.mark.parametrize("moment", ["in an epoch", "before a checkpoint", "in a test"])
def test_it_is_said_and_the_folder_is_not_made_again(
    tiny_yaml, tmp_path, monkeypatch, vanish, moment
):
    owner, name = {
        "in an epoch": (train_step.TrainStep, "accumulate"),
        "before a checkpoint": (save, "write_checkpoint"),
        "in a test": (testing, "report"),
    }[moment]
    out, done, real = tmp_path / "out", [], getattr(owner, name)

    def then(*args, **kwargs):
        if not done:
            done.append(vanish(out))
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, then)
    options = ["SOLVER.MAX_EPOCH", "1", "TEST.NUM_ENSEMBLE_VIEWS", "1"]
    with pytest.raises(CheckpointError, match=GONE):
        run.run(load_config(tiny_yaml, options))
    assert not out.exists()


def test_two_processes_say_it_once_and_last(tiny_yaml, tmp_path):
    """And end with status 2: whose OUTPUT_DIR it is knows the first one only."""
    hook = tmp_path / "sitecustomize.py"  # moves it when the first checkpoint is written
    hook.write_text(
        "import os, sys\n"
        "def look(event, args):\n"
        "    if event == 'open' and '.pyth.' in str(args[0]) and os.path.isdir('out'):\n"
        "        os.rename('out', 'moved')\n"
        "sys.addaudithook(look)\n"
    )
    ran = run_tool("run_net.py", "--cfg", tiny_yaml, "DIST.CPU_PROCESSES", "2", "TEST.ENABLE", "False",
                   cwd=tmp_path, env={"PYTHONPATH": f"{tmp_path}:{ROOT}"})  # fmt: skip
    text = ran.stdout + ran.stderr
    assert ran.returncode == 2, text
    assert text.count(GONE) == 1
    assert GONE in text.strip().splitlines()[-1]
    assert "frame #" not in text
    assert not (tmp_path / "out").exists()
