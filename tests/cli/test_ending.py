"""How a command ends, by itself, by an error or by a signal."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from functools import partial

import psutil
import pytest

from tests.conftest import ROOT
from timesformer.cli.ending import status_of
from timesformer.errors import InputError
from timesformer.runtime.processes import process_pool

ENDS = {  # what main raises -> status, line on stderr
    "input": (InputError("x.csv: no such list"), 2, "t.py: error: x.csv: no such list\n"),
    "name": (InputError("a\x1b[31m.mp4\nb"), 2, "t.py: error: a\\x1b[31m.mp4\nb\n"),
    "not finite": (FloatingPointError("loss is nan"), 2, "t.py: error: loss is nan\n"),
    "file": (OSError(13, "Permission denied", "/x\ny"), 2, "error: /x\\ny: Permission denied\n"),
    "memory": (MemoryError(), 2, "smaller videos, or less at once\n"),
    "keyboard": (KeyboardInterrupt(), 130, "\nt.py: interrupted; it resumes\n"),
    "closed pipe": (BrokenPipeError(), 141, ""),
}


@pytest.mark.parametrize("name", ENDS)
def test_an_end_is_one_line_and_a_status(name, capsys):
    error, status, line = ENDS[name]

    def main():
        raise error

    assert status_of(main, "t.py", "it resumes") == status
    assert capsys.readouterr().err.endswith(line)


def test_what_nobody_has_foreseen_is_a_traceback():
    def fail(error):
        raise error

    for error in (KeyError("x"), OSError("of no file"), RuntimeError("x")):
        with pytest.raises(type(error)):
            status_of(partial(fail, error), "t.py")


def test_sigterm_unwinds_as_ctrl_c_does_and_handlers_come_back(capsys):
    cleaned = []

    def main():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        finally:
            cleaned.append(True)

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    assert status_of(main, "t.py") == 143
    assert cleaned == [True]
    assert capsys.readouterr().err == "t.py: ended by SIGTERM\n"
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_that_a_destructor_swallows_ends_the_command_too(number, status, capfd):
    class Object:
        def __del__(self):
            signal.raise_signal(number)
            time.sleep(0)  # the handler's exception is raised here, and lost

    def main():
        Object()
        time.sleep(20)

    before, started = sys.unraisablehook, time.monotonic()
    assert status_of(main, "t.py") == status
    assert time.monotonic() - started < 15
    said = capfd.readouterr().err
    assert "ignored" not in said
    assert "Traceback" not in said
    assert sys.unraisablehook is before


def test_other_errors_of_destructors_are_still_told(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    class Object:
        def __del__(self):
            raise ValueError("x")

    def main():
        Object()

    assert status_of(main, "t.py") == 0
    assert [each.exc_type for each in told] == [ValueError]


def test_the_status_of_main_is_kept():
    assert status_of(lambda: None, "t.py") == 0
    assert status_of(lambda: 1, "t.py") == 1


def test_a_reader_that_goes_away_is_no_error():
    code = (
        "from timesformer.cli.ending import leave, status_of\n"
        "def main():\n"
        "    for i in range(100000): print(i)\n"
        "leave(status_of(main, 't.py'))"
    )
    line = f'{sys.executable} -c "{code}" | head -1; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (141, "0\n", "")


def sleep_long(_):
    time.sleep(60)


def start_pool_and_wait():
    with process_pool(2) as pool:
        list(pool.map(sleep_long, range(6)))


def begin_and_fail():
    with process_pool(2) as pool:
        pool.submit(sleep_long, 0)
        pool.submit(sleep_long, 0)
        time.sleep(0.3)
        raise InputError("x")


def trackers():
    """The process of Python itself that lives on, to clean up after all others."""
    children = psutil.Process().children()
    return [each for each in children if "resource_tracker" in " ".join(each.cmdline())]


def test_an_error_ends_the_processes_of_a_pool():
    before, started = psutil.Process().children(), time.monotonic()
    with pytest.raises(InputError):
        begin_and_fail()
    assert time.monotonic() - started < 30
    assert set(psutil.Process().children()) <= {*before, *trackers()}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_processes_of_a_pool_die_with_their_parent(number):
    code = (
        "from timesformer.cli.ending import leave, status_of\n"
        "from tests.cli.test_ending import start_pool_and_wait\n"
        "leave(status_of(start_pool_and_wait, 't.py'))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE)
    watched = psutil.Process(parent.pid)
    wait_until(lambda: len(watched.children()) == 2)
    workers = watched.children()
    parent.send_signal(number)
    said = parent.communicate()[1].decode()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive
    expected = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
    assert parent.returncode == expected[number], said
    assert "Traceback" not in said


def listen_and_wait():
    multiprocessing.get_context("forkserver").Process(target=sleep_long, args=(0,)).start()
    time.sleep(20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_sockets_of_an_interrupted_command_are_removed(number, tmp_path):
    code = (
        "from timesformer.cli.ending import leave, status_of\n"
        "from tests.cli.test_ending import listen_and_wait\n"
        "leave(status_of(listen_and_wait, 't.py'))"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment)
    wait_until(lambda: any(tmp_path.iterdir()) and psutil.Process(process.pid).children())
    process.send_signal(number)
    assert process.wait(20) == 128 + number
    assert not any(tmp_path.iterdir())


def wait_until(happened, *, seconds=30):
    limit = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < limit
        time.sleep(0.02)
