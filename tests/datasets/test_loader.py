"""Loader processes that crash or hang, and positions that are gone on from."""

import os
import signal
from dataclasses import replace

import pytest
import torch

from timesformer.config import load_config
from timesformer.datasets import build_loader, clips, loader_worker, resource_limits
from timesformer.video import read_video

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")


@pytest.fixture
def loader(tiny_yaml):
    def make(split="train", workers=2, **options):
        pairs = [str(item) for pair in options.items() for item in pair]
        return build_loader(
            load_config(tiny_yaml, ["DATA_LOADER.NUM_WORKERS", str(workers), *pairs]), split
        )

    return make


def crashing(path, select, **kwargs):
    """The reader, but with a decoder that dies on some videos as a native one does."""
    if str(path).endswith(("train 5.mp4", "train 11.mp4", "test 4.mp4")):
        os.kill(os.getpid(), signal.SIGSEGV)
    return read_video(path, select, **kwargs)


def test_training_goes_on_when_a_video_kills_its_process(loader, caplog):
    subject, plain = loader(), list(loader())
    subject.dataset.read = crashing
    batches = list(subject)
    assert len(batches) == len(plain) == 6
    for ours, theirs in zip(batches, plain, strict=True):
        same = [int(i) for i, j in zip(ours.indices, theirs.indices, strict=True) if i == j]
        assert all(i not in (5, 11) for i in ours.indices.tolist())
        for i in same:  # other videos give the very same clips
            at, was = ours.indices.tolist().index(i), theirs.indices.tolist().index(i)
            assert torch.equal(ours.clips[at], theirs.clips[was])
    failures = [message for batch in batches for message in batch.failures]
    for name in ("train 5.mp4", "train 11.mp4"):
        assert sum(name in message for message in failures) >= 1
        assert f"{name}: its loader process died or stopped twice (SIGSEGV)" in caplog.text
    again = list(subject)  # the next epoch knows
    assert all(i not in (5, 11) for batch in again for i in batch.indices.tolist())


def test_testing_reports_a_video_that_kills_its_process(loader):
    subject = loader("test")
    subject.dataset.read = crashing
    batches = list(subject)
    assert [i for batch in batches for i in batch.failed.tolist()] == [4]
    assert sorted(i for batch in batches for i in batch.indices.tolist()) == [
        0,
        1,
        2,
        3,
        5,
        6,
        7,
        8,
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signals_to_loader_processes_cost_no_batch_and_blame_no_video(loader, number):
    subject, plain = loader(), list(loader())
    batches, pids = [], set()
    for batch in subject:
        batches.append(batch)
        if len(batches) == 2:
            pids = set(subject.pids)
            for pid in pids:
                os.kill(pid, number)
    assert len(batches) == len(plain)
    for ours, theirs in zip(batches, plain, strict=True):
        assert torch.equal(ours.clips, theirs.clips)
    assert not subject.dataset.known_bad
    assert (set(subject.pids) == pids) == (number != signal.SIGTERM)


def test_a_video_that_hangs_in_native_code_is_given_up(loader, monkeypatch, tmp_path):
    monkeypatch.setattr(clips, "GRACE_SECONDS", 0.5)
    pipe = tmp_path / "hangs.mp4"
    os.mkfifo(pipe)  # opening it waits for ever

    def hanging(path, select, **kwargs):
        if str(path).endswith("val 2.mp4"):
            pipe.read_bytes()
        return read_video(path, select, **kwargs)

    subject = loader("val", **{"DATA.DECODE_TIMEOUT": 1})
    subject.dataset.read = hanging
    batches = list(subject)
    assert [i for batch in batches for i in batch.failed.tolist()] == [2]
    assert any("did not answer within 1 seconds" in m for b in batches for m in b.failures)


def test_processes_that_die_without_a_video_end_the_run(loader):
    subject = loader()

    def die(path, select, **kwargs):
        os._exit(loader_worker.ENDED)

    subject.dataset.read = die
    with pytest.raises(
        resource_limits.LoaderError, match="loader processes end before they read a video"
    ):
        list(subject)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_position_is_gone_on_from_with_the_very_same_batches(loader, split, workers):
    first = loader(split, workers)
    first.batch_sampler.set_epoch(3)
    batches, states = [], []
    for batch in first:
        batches.append(batch)
        states.append(first.state_dict())
    assert states[1] == {"epoch": 3, "batch": 2}
    assert first.state_dict() == {"epoch": 4, "batch": 0}
    second = loader(split, workers)
    second.load_state_dict(states[1])
    rest = list(second)
    assert len(rest) == len(batches) - 2
    for ours, theirs in zip(rest, batches[2:], strict=True):
        assert torch.equal(ours.clips, theirs.clips)
        assert torch.equal(ours.indices, theirs.indices)


def test_processes_live_on_between_epochs(loader):
    subject = loader()
    list(subject)
    pids = subject.pids
    list(subject)
    assert subject.pids == pids
    assert all(pid > 0 for pid in pids)


def test_videos_that_the_gpu_does_not_decode_are_named_once_and_counted(loader, caplog):
    subject = loader("test", 0)
    read = subject.dataset.read

    def without_gpu(path, select, **kwargs):
        frames = read(path, select, **kwargs)
        return replace(frames, fallback=f"{path}: no NVDEC")

    subject.dataset.read = without_gpu
    list(subject)
    count = len(subject.dataset)
    assert caplog.text.count("decoded on the CPU instead of the GPU, more are counted: ") == 1
    assert "test 0.mp4: no NVDEC" in caplog.text
    assert f"{count} videos of this epoch were decoded on the CPU" in caplog.text
