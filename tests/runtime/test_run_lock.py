"""Who owns a folder, as other processes of this and other hosts see it."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT
from timesformer.runtime import run_lock
from timesformer.runtime.run_lock import FolderInUse, owned

HOLD = """
import sys, time
from timesformer.runtime.run_lock import owned
with owned(sys.argv[1]):
    {first}
    print("held", flush=True)
    time.sleep(60)
"""
ORPHAN = "import os\n    if not os.fork(): time.sleep(60)"  # as a loader process


@pytest.fixture
def hold(tmp_path):
    """Start a process that owns tmp_path / "out"; after its death the loader processes live on."""
    running = []

    def start(first="pass"):
        code = HOLD.format(first=first)
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "out")], cwd=ROOT, stdout=subprocess.PIPE,
            text=True, start_new_session=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        running.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_a_second_process_gets_the_name_of_the_first_and_the_remedy(hold, tmp_path):
    process = hold()
    said = (
        rf"OUTPUT_DIR {re.escape(str(tmp_path / 'out'))} is in use by process {process.pid} on .+ since "
        r"\d{4}-.*wait for its end or stop it .*, or choose another OUTPUT_DIR"
    )
    with pytest.raises(FolderInUse, match=said), owned(tmp_path / "out"):
        pass
    with owned(tmp_path / "out/dry-run"):  # a folder of its own
        pass
    process.terminate()
    process.wait()
    with owned(tmp_path / "out"):
        pass
    assert os.listdir(tmp_path / "out") == ["dry-run"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_any_death_gives_it_back_though_a_loader_process_lives_on(hold, tmp_path):
    process = hold(ORPHAN)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    os.killpg(process.pid, 0)  # the orphan
    with owned(tmp_path / "out"):
        assert json.loads((tmp_path / "out/.lock").read_text())["process"] == os.getpid()


def test_a_block_inside_another_one_takes_no_second_lock(tmp_path):
    with owned(tmp_path) as lock:
        with owned(tmp_path / "." / "") as again:
            assert again is lock
        assert (tmp_path / ".lock").exists()
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_starter_shares_the_lock_with_its_first_process_only(tmp_path):
    def in_another(**options):
        """0: it could own the folder; 1: it could not."""
        pid = os.fork()
        if not pid:
            status = 2
            try:
                with owned(tmp_path, **options):
                    status = 0
            except FolderInUse:
                status = 1
            finally:
                os._exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    with owned(tmp_path) as lock:
        assert in_another(is_started=True) == in_another() == 1
        lock.hand_over()
        assert (in_another(), in_another(is_started=True)) == (1, 0)
        assert (tmp_path / ".lock").exists()
    assert in_another() == 0


@pytest.mark.parametrize(
    ("owner", "touched", "said"),
    [
        ({"host": "elsewhere", "process": 7, "since": "1999"}, True, "process 7 on elsewhere since 1999"),
        ({"host": "elsewhere", "process": 7, "since": "1999"}, False, ""),
        ("garbage", False, ""),
        ("[1", False, ""),
        ("", False, ""),
    ],
)  # fmt: skip
def test_a_host_whose_locks_are_not_seen_here_owns_it_while_it_touches_the_file(
    tmp_path, monkeypatch, owner, touched, said
):
    file = tmp_path / ".lock"
    file.write_text(owner if isinstance(owner, str) else json.dumps(owner))
    monkeypatch.setattr(run_lock, "SILENT_SECONDS", 0.3)

    def sleep(seconds, wait=time.sleep):
        wait(seconds)
        if touched:
            os.utime(file, (1, 1))

    monkeypatch.setattr(time, "sleep", sleep)
    if said:
        with pytest.raises(FolderInUse, match=said), owned(tmp_path):
            pass
        assert json.loads(file.read_text()) == owner
        return
    with owned(tmp_path):
        assert json.loads(file.read_text())["process"] == os.getpid()


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_host_that_ends_meanwhile_gives_the_folder_to_the_one_that_waits(
    tmp_path, monkeypatch, is_deleted
):
    file = tmp_path / ".lock"
    file.write_text('{"host": "elsewhere", "process": 7, "since": "1999"}')

    def end(_):
        if file.read_text():
            file.write_text("")
            os.utime(file, (1, 1))
        if is_deleted:
            file.unlink()

    monkeypatch.setattr(time, "sleep", end)
    with owned(tmp_path):
        assert json.loads(file.read_text())["process"] == os.getpid()
    assert not file.exists()


def test_a_folder_that_cannot_be_written_has_no_lock(tmp_path, monkeypatch):
    denied = PermissionError(13, "Permission denied")
    monkeypatch.setattr(run_lock, "_open", lambda _: (_ for _ in ()).throw(denied))
    with pytest.raises(ValueError, match="mine") as raised, owned(tmp_path):
        raise ValueError("mine")
    assert raised.value.__context__ is None


def test_a_host_silent_for_hours_is_not_waited_for(tmp_path, monkeypatch):
    (tmp_path / ".lock").write_text('{"host": "elsewhere"}')
    os.utime(tmp_path / ".lock", (1, 1))
    monkeypatch.setattr(time, "sleep", lambda _: 1 / 0)
    with owned(tmp_path):
        pass


@pytest.mark.parametrize("alive", [True, False])
def test_without_locks_the_process_that_the_file_names_decides(tmp_path, monkeypatch, alive):
    monkeypatch.setattr(run_lock, "_lock_byte", lambda *_: None)
    owner = run_lock._me()
    if not alive:
        owner["since"] = "1999-01-01T00:00:00+00:00"  # this process is younger
    (tmp_path / ".lock").write_text(json.dumps(owner))
    if alive:
        with pytest.raises(FolderInUse, match=f"process {os.getpid()}"), owned(tmp_path):
            pass
    else:
        with owned(tmp_path):
            pass


def test_the_file_is_touched_while_it_is_owned(tmp_path, monkeypatch):
    monkeypatch.setattr(run_lock, "BEAT_SECONDS", 0.01)
    with owned(tmp_path) as lock:
        os.utime(tmp_path / ".lock", (1, 1))
        deadline = time.monotonic() + 30
        while (tmp_path / ".lock").stat().st_mtime == 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert lock.read()["process"] == os.getpid()
