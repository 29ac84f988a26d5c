"""A loader process: it reads the videos of one batch after another.

run -> process    Task
process -> run    Ready, then Done or Failed for each task; its activity is the video that it reads, or -1
"""

import contextlib
import faulthandler
import math
import os
import pickle
import signal
import traceback
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from timesformer.datasets import clips
from timesformer.datasets.clips import Batch, ClipDataset, collate
from timesformer.datasets.resource_limits import memory_error, open_files_error
from timesformer.datasets.samplers import Key
from timesformer.datasets.shared_memory import Channel, is_readable

ORPHAN_SECONDS = 5.0  # between two checks that the run is alive
TIMED_OUT = 1  # exit status of a process whose video did not answer in time
ENDED = 128 + signal.SIGTERM  # that of a process that was asked to end


class Task(NamedTuple):
    """A batch to make; ``known_bad`` are the videos that must not be tried, and why."""

    number: int
    keys: list[Key]
    known_bad: dict[int, str]


class Ready(NamedTuple):
    """The process has started."""


class Done(NamedTuple):
    """The batch of task ``number``: its arrays, and the shape of the clips that travel beside it."""

    number: int
    batch: tuple[object, ...]
    shape: tuple[int, ...]


class Failed(NamedTuple):
    """Why task ``number`` has no batch; ``text`` is the traceback."""

    number: int
    error: Exception
    text: str


def run_worker(channel: Channel, dataset: ClipDataset) -> None:
    """Make batches until the run ends, or a signal comes."""
    torch.set_num_threads(1)  # the processes are the parallelism
    cv2.setNumThreads(0)
    _ignore_stop_signals()
    dataset.watch = _Watch(channel, dataset.time_limit)
    parent = os.getppid()
    with contextlib.suppress(EOFError, ConnectionError):  # the run has ended
        channel.accept_activity()
        channel.send(Ready())
        while True:
            while not is_readable(channel, ORPHAN_SECONDS):
                if os.getppid() != parent:
                    return
            _make_batch(channel, dataset, channel.receive().content)


def batch_of(done: Done, clips: Tensor) -> Batch:
    """The batch of ``done``, its clips in the memory that came with it."""
    batch = (torch.from_numpy(v) if isinstance(v, np.ndarray) else v for v in done.batch)
    return Batch(*batch)._replace(clips=clips.view(done.shape))  # type: ignore[arg-type]


def _make_batch(channel: Channel, dataset: ClipDataset, task: Task) -> None:
    dataset.known_bad.update(task.known_bad)
    try:
        batch = collate([dataset[key] for key in task.keys])
        rest = batch._replace(clips=torch.empty(0, dtype=torch.uint8))
        arrays = tuple(v.numpy() if isinstance(v, Tensor) else v for v in rest)
        channel.send(Done(task.number, arrays, tuple(batch.clips.shape)), batch.clips.reshape(-1))
    except ConnectionError:
        raise
    except Exception as error:  # it is raised where the batch is awaited
        channel.send(Failed(task.number, _to_raise(error), traceback.format_exc()))


def _to_raise(error: Exception) -> Exception:
    """The error that the run gets: with a remedy if it is a limit of the machine, else ``error``."""
    if limit_error := open_files_error(error) or memory_error(error):
        return limit_error
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # as classes differ in what they can do
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


class _Watch:
    """Announces the video that is read, and ends the process if it hangs in native code."""

    def __init__(self, channel: Channel, time_limit: float) -> None:
        self.channel = channel
        self.time_limit = time_limit

    @contextlib.contextmanager
    def __call__(self, index: int) -> Iterator[None]:
        self.channel.set_activity(index)
        try:
            with self._timer() if math.isfinite(self.time_limit) else contextlib.nullcontext():
                yield
        finally:
            self.channel.set_activity(-1)

    @contextlib.contextmanager
    def _timer(self) -> Iterator[None]:
        limit = self.time_limit + clips.GRACE_SECONDS
        with open(os.devnull, "w") as nowhere:
            faulthandler.dump_traceback_later(limit, exit=True, file=nowhere)
            try:
                yield
            finally:
                faulthandler.cancel_dump_traceback_later()


def _ignore_stop_signals() -> None:
    """Ignore the signals by which terminals and schedulers stop a run: it still needs batches to save.

    SIGTERM ends the process; no video is excluded for that.
    """
    signal.signal(signal.SIGTERM, lambda *_: os._exit(ENDED))
    for name in ("SIGINT", "SIGUSR1", "SIGUSR2"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
