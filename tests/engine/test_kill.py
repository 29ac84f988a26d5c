"""kill -9 at seeded moments, then the same command again: the run ends as if nothing had been.

The suite kills three times; ``python -m tests.engine.test_kill 20 [SEED]`` kills 20 times and prints
what it killed. Processes are forked from one that has imported everything.
"""

import collections
import importlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from tests.conftest import ROOT, TINY, write_video
from tests.engine.test_train import losses, same_state
from tests.runtime.test_signals import OPTIONS, curves, numbers, rows
from timesformer import files
from timesformer.config import load_config
from timesformer.engine import run
from timesformer.evaluation import test as testing

COUNTS = {"train": 20, "val": 5, "test": 5}
MORE = {"LOG_PERIOD": 3, "TRAIN.CHECKPOINT_STEPS": 1, "TRAIN.KEEP_CHECKPOINTS": 1}


def make_data(folder):
    for split, count in COUNTS.items():
        for i in range(count):
            frames = np.random.default_rng(i).integers(0, 80, (12, 48, 48, 3), np.uint8) + 50 * (
                i % 3
            )
            write_video(folder / f"{split}{i}.mp4", frames.astype(np.uint8), options={"g": "6"})
        lines = "".join(f"{split}{i}.mp4 {i % 3}\n" for i in range(count))
        (folder / f"{split}.csv").write_text(lines)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))


def start(data, folder, prepare=lambda: None):
    """A forked process that runs; returns its id."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        prepare()
        values = {**OPTIONS, **MORE, "DATA.PATH_TO_DATA_DIR": data, "OUTPUT_DIR": folder}
        pairs = [str(text) for pair in values.items() for text in pair]
        run.run(load_config(data / "tiny.yaml", pairs))
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(1)
    os._exit(0)


def status(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def die_at(owner, name, at, *, after=False):
    """In the process to kill: end it as ``kill -9`` does before or after call ``at`` of a function."""
    original, calls = getattr(owner, name), []

    def deadly(*args, **kwargs):
        calls.append(1)
        if len(calls) == at and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        found = original(*args, **kwargs)
        if len(calls) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    setattr(owner, name, deadly)


def half_written(at):
    """In the process to kill: end it in the middle of writing checkpoint ``at``."""
    original, calls = torch.save, []

    def deadly(payload, file):
        calls.append(1)
        original(payload, file)
        if len(calls) == at:
            file.flush()
            os.truncate(file.fileno(), file.tell() // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    torch.save = deadly


def when_logged(path, size, pause, process):
    """From outside: end ``process`` when its log has ``size`` bytes, and seconds later."""
    while not (path.exists() and path.stat().st_size >= size):
        time.sleep(0.001)
        if os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
    time.sleep(pause)
    os.kill(process, signal.SIGKILL)


def moments(count, seed, text):
    """What to kill, and when: a third each in training, while writing and in testing.

    ``text`` is the log of the uninterrupted run. From outside means between two of its lines.
    """
    first, last = text.index("each optimizer step"), text.rindex("val_epoch")
    rng = np.random.default_rng(seed)
    for i in range(count):
        at = int(rng.integers(1, 9))  # of the eight checkpoints of a run
        if i % 3 == 0:
            yield "training, from outside", None, int(rng.integers(first, last))
        elif i % 3 == 2:
            where = [
                (testing, "load_tested"),
                (testing, "evaluate"),
                (testing, "write_predictions"),
            ]
            owner, name = where[at % 3]
            yield (
                f"testing, {name}",
                lambda o=owner, n=name, a=bool(at % 2): die_at(o, n, 1, after=a),
                0,
            )
        else:
            how = ["half written", "before the rename", "after the rename"][int(rng.integers(3))]
            yield (
                f"writing, {how}",
                {
                    "half written": lambda at=at: half_written(at),
                    "before the rename": lambda at=at: die_at(files.os, "replace", at),
                    "after the rename": lambda at=at: die_at(files, "sync_folder", at),
                }[how],
                0,
            )


def differences(folder, whole):
    """What of a run is not as in the uninterrupted one."""
    weights = "checkpoints/checkpoint_epoch_00002.pyth"
    ours, theirs = (torch.load(f / weights, weights_only=True) for f in (folder, whole))
    checks = {
        "losses": losses(folder) == losses(whole),
        "epochs": numbers(folder, "train_epoch") == numbers(whole, "train_epoch"),
        "validations": numbers(folder, "val_epoch") == numbers(whole, "val_epoch"),
        "test": numbers(folder, "test_final") == numbers(whole, "test_final"),
        "predictions": read(folder) == read(whole),
        "metrics.csv": rows(folder) == rows(whole),
        "curves": curves(folder) == curves(whole),
        "weights": same_state(ours["model_state"], theirs["model_state"]),
        "average": same_state(ours["ema_state"], theirs["ema_state"]),
        "best": ours["best"] == theirs["best"],
        "leftovers": not list(folder.rglob("*.tmp")),
    }
    return [name for name, same in checks.items() if not same]


def read(folder):
    return (folder / "test_predictions.csv").read_text()


def kill(count, seed, folder):
    """Kill ``count`` runs; returns how often it was what, and what differed."""
    torch.set_num_threads(1)
    importlib.import_module("timm.data")  # once here, not in every process
    importlib.import_module("torch.utils.tensorboard")
    data, whole = folder / "data", folder / "whole"
    data.mkdir()
    make_data(data)
    assert status(start(data, whole)) == 0
    killed, differing = collections.Counter(), []
    text = (whole / "stdout.log").read_text()
    for i, (what, prepare, size) in enumerate(moments(count, seed, text)):
        out = folder / f"killed{i}"
        pid = start(data, out, prepare or (lambda: None))
        if prepare is None:
            when_logged(out / "stdout.log", size, size % 7 / 500, pid)
        code = status(pid)
        lines = len(losses(out)) if (out / "stdout.log").exists() else 0
        assert code in (0, -signal.SIGKILL), f"{what}: status {code}"
        killed[what.split(",")[0] if code else "too late"] += 1
        resumed = status(start(data, out))
        differs = ["exit status"] if resumed else differences(out, whole)
        again = re.findall("resuming after.*?:", (out / "stdout.log").read_text())
        print(f"{i + 1}. {what}: status {code} after {lines} lines; {again}; differs: {differs}")
        differing += differs
    return killed, differing


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_a_killed_run_goes_on_as_if_nothing_had_been():
    result = subprocess.run(
        [sys.executable, "-m", "tests.engine.test_kill", "3"], capture_output=True, text=True,
        timeout=240, cwd=ROOT, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert "killed 3" in result.stdout


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        arguments = [int(text) for text in sys.argv[1:]]
        counts, wrong = kill(arguments[0], (arguments[1:] or [0])[0], Path(temporary))
        happened = sum(counts.values()) - counts["too late"]
        print(f"killed {happened}: {dict(counts)}; differences: {wrong or 'none'}")
        sys.exit(bool(wrong))
