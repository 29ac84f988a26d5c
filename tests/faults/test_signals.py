"""Every command, interrupted while it starts or works: one line, its status, nothing left behind."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.conftest import ROOT

ENDED = {signal.SIGINT: (130, "interrupted"), signal.SIGTERM: (143, "ended by SIGTERM")}
COMMANDS = {  # with {names} of what the test makes
    "make_motion_dataset.py": "{tmp}/motion --workers 2",
    "predict.py": "{videos} {videos} {videos} --weights {weights} --views 200x3",
    "extract_features.py": "{data}/train.csv --weights {weights} --views 400x3 --out {tmp}/f.npz",
    "convert_checkpoint.py": "{weights} --to hf --out {tmp}/hf",
    "check_data.py": "{data} --out {tmp}/check --again",
    "plan.py": "--cfg {cfg}",
    "prepare_data.py": "list --videos {data} --train {data}/train.csv --val {data}/val.csv "
    "--out {tmp}/lists --resize 32 --workers 2",
    "make_shards.py": "{data}/train.csv --out {tmp}/shards --verify",
}


# Would end by themselves: interrupted while they import.
SHORT = {  # tool -> a library that it imports after it has begun
    "convert_checkpoint.py": "libtorch",
    "plan.py": "libtorch",
    "prepare_data.py": "_multiarray_umath",
    "make_shards.py": "_multiarray_umath",
}


def has_begun(process, library):
    """Whether a command has begun: its ``main`` imports this library."""
    return any(library in each.path for each in psutil.Process(process.pid).memory_maps())


def interrupt(process, number):
    """Send a signal, as a terminal or a scheduler does; the processes that were below."""
    below = psutil.Process(process.pid).children(recursive=True)
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    return below


@pytest.mark.parametrize("number", ENDED)
def test_an_interrupted_command_says_one_line_and_leaves_nothing(
    number, trained, tiny_yaml, data_dir, tmp_path
):
    names = {"tmp": tmp_path, "videos": "{videos}", "weights": trained()[1], "cfg": tiny_yaml}
    shm = set(os.listdir("/dev/shm"))
    started = {}
    for tool, words in COMMANDS.items():
        folder = tmp_path / f"TMPDIR-{tool}"
        folder.mkdir()
        given = [word.format(**names | {"videos": data_dir / "videos", "data": data_dir})
                 for word in words.split()]  # fmt: skip
        started[tool] = subprocess.Popen(
            [sys.executable, str(ROOT / "tools" / tool), *given],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(folder), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    below = {}
    while waiting := SHORT.keys() - below.keys():
        for tool in waiting:
            if has_begun(started[tool], SHORT[tool]):
                below[tool] = interrupt(started[tool], number)
        time.sleep(0.01)
    time.sleep(2)  # most are importing, some work already
    for tool in started.keys() - SHORT.keys():
        below[tool] = interrupt(started[tool], number)
    status, line = ENDED[number]
    for tool, process in started.items():
        said = process.communicate(timeout=60)[1].decode()
        assert "Traceback" not in said, (tool, said)
        assert process.returncode == status, (tool, said)
        assert line in said, (tool, said)
        _, alive = psutil.wait_procs(below[tool], timeout=20)
        assert not alive, tool
        assert not list((tmp_path / f"TMPDIR-{tool}").iterdir()), tool
    assert set(os.listdir("/dev/shm")) <= shm
    assert not list(tmp_path.rglob("*.tmp"))
