"""Loader processes that something ends, stops or starves: every batch is the same, or an error comes."""

import contextlib
import errno
import multiprocessing
import os
import signal
import time

import psutil
import pytest
import torch

from timesformer.config import load_config
from timesformer.datasets import (
    build_loader,
    clips,
    loader_processes,
    loader_worker,
    resource_limits,
)
from timesformer.video import VideoError, read_video

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")

KILLED = signal.SIGKILL
VICTIMS = {"train": "train 5.mp4", "test": "test 4.mp4"}


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(clips, "GRACE_SECONDS", 0.3)
    monkeypatch.setattr(loader_processes, "POLL_SECONDS", 0.2)


@pytest.fixture
def loader(tiny_yaml):
    def make(split="test", workers=2, **options):
        pairs = [str(item) for pair in options.items() for item in pair]
        return build_loader(
            load_config(tiny_yaml, ["DATA_LOADER.NUM_WORKERS", str(workers), *pairs]), split
        )

    return make


def same(ours, theirs):
    return len(ours) == len(theirs) and all(
        torch.equal(a.clips, b.clips) and torch.equal(a.indices, b.indices) and not a.failures
        for a, b in zip(ours, theirs, strict=True)
    )


def signalled(number, flag, *names, times=1):
    """The reader, which sends its process ``number`` at a video of ``names``, ``times`` in all."""

    def read(path, select, **kwargs):
        if str(path).endswith(names):
            for count in range(times):
                with contextlib.suppress(FileExistsError):
                    (flag / f"{os.path.basename(path)}.{count}").touch(exist_ok=False)
                    os.kill(os.getpid(), number)
                    break
        return read_video(path, select, **kwargs)

    return read


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGKILL, "SIGKILL, out of memory?"),
        (signal.SIGSEGV, "SIGSEGV"),
        (signal.SIGABRT, "SIGABRT"),
        (signal.SIGSTOP, "not responding"),
    ],
)
def test_one_crash_excludes_no_video(loader, tmp_path, caplog, split, number, said):
    subject = loader(split, **{"DATA.DECODE_TIMEOUT": 1})
    subject.dataset.read = signalled(number, tmp_path, VICTIMS[split])
    assert same(list(subject), list(loader(split, workers=0)))
    assert f"{VICTIMS[split]} ({said}): trying again in a new one" in caplog.text
    assert not subject.dataset.known_bad
    assert len(subject.pids) == 2


def test_the_second_crash_excludes_the_video_and_says_how(loader, tmp_path, caplog):
    subject = loader()
    subject.dataset.read = signalled(KILLED, tmp_path, VICTIMS["test"], times=2)
    batches = list(subject)
    assert [i for batch in batches for i in batch.failed.tolist()] == [4]
    failures = [message for batch in batches for message in batch.failures]
    assert len(failures) == 1
    assert failures[0].endswith(
        "test 4.mp4: its loader process died or stopped twice (SIGKILL, out of memory?); re-encode "
        "it or remove it from the list"
    )
    assert failures[0] in caplog.text


def test_a_suspect_is_tried_while_no_other_video_is_read(loader, tmp_path):
    read = signalled(KILLED, tmp_path, VICTIMS["test"])

    def noting(path, select, **kwargs):
        with open(tmp_path / "log", "a") as log:
            log.write(f"+{os.path.basename(path)}\n")
        time.sleep(0.05)
        frames = read(path, select, **kwargs)
        with open(tmp_path / "log", "a") as log:
            log.write(f"-{os.path.basename(path)}\n")
        return frames

    subject = loader("test", workers=2, **{"TEST.BATCH_SIZE": 2})
    subject.dataset.read = noting
    assert same(list(subject), list(loader("test", workers=0, **{"TEST.BATCH_SIZE": 2})))
    lines = (tmp_path / "log").read_text().split("\n")
    again = len(lines) - 1 - lines[::-1].index("+test 4.mp4")
    assert lines[again + 1] == "-test 4.mp4"


def test_processes_that_are_all_killed_at_once_are_replaced(loader):
    subject, batches = loader("train"), []
    for batch in subject:
        batches.append(batch)
        if len(batches) == 2:
            for pid in subject.pids:
                os.kill(pid, signal.SIGKILL)
    assert same(batches, list(loader("train", workers=0)))


def test_a_run_that_is_asked_to_end_does_not_wait_for_a_batch(loader, tmp_path):
    subject = loader("test")
    subject.dataset.read = signalled(signal.SIGSTOP, tmp_path, VICTIMS["test"])
    subject.give_up = lambda: (tmp_path / "test 4.mp4.0").exists()
    assert len(list(subject)) < len(subject)
    subject.give_up = lambda: False
    rest = list(subject)  # goes on with the batch that was due
    assert 4 in [i for batch in rest for i in batch.indices.tolist()]


def failing(error):
    def read(path, select, **kwargs):
        if isinstance(error, OSError):  # as readers tell of it
            raise VideoError(f"{path}: cannot be decoded") from error
        raise error

    return read


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("raised", "kind", "said"),
    [
        (
            VideoError("x.mp4: broken"),
            VideoError,
            "11 videos in a row of .*train.csv cannot be read",
        ),
        (
            OSError(errno.EMFILE, "Too many open files"),
            resource_limits.LoaderError,
            "ulimit -n 4096",
        ),
        (ZeroDivisionError("a mistake"), ZeroDivisionError, "a mistake"),
    ],
)
def test_errors_of_a_process_reach_the_run(loader, workers, raised, kind, said):
    subject = loader("train", workers)
    subject.dataset.read = failing(raised)
    with pytest.raises(kind, match=said) as caught:
        list(subject)
    if kind is ZeroDivisionError and workers:
        assert "in read\n" in str(caught.value.__cause__)  # where it was


def test_a_lack_of_memory_for_a_batch_is_an_error_with_its_remedy(loader, monkeypatch):
    def full(samples):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(loader_worker, "collate", full)  # forked processes have it too
    with pytest.raises(
        resource_limits.LoaderError, match="no memory for its batch .*docker run --memory"
    ):
        list(loader("test"))


def forked(function, *arguments):
    """Run in a forked process; its exit status."""
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


def test_no_process_stays_behind_a_run_that_is_killed(loader, monkeypatch, tmp_path):
    monkeypatch.setattr(loader_worker, "ORPHAN_SECONDS", 0.2)

    def run():
        subject = loader("train")
        next(iter(subject))
        (tmp_path / "pids").write_text(" ".join(map(str, subject.pids)))
        os.kill(os.getpid(), signal.SIGKILL)

    assert forked(run) == -signal.SIGKILL
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    _, alive = psutil.wait_procs([psutil.Process(p) for p in pids if psutil.pid_exists(p)], 10)
    assert len(pids) == 2
    assert not alive


def test_stopped_processes_do_not_keep_a_run_from_ending(loader):
    def run():
        subject = loader("train")
        next(iter(subject))
        for pid in subject.pids:
            os.kill(pid, signal.SIGSTOP)

    assert forked(run) == 0
