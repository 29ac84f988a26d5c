"""A loader process: it reads the videos of one batch after another, and says what it does.

run -> process    Task
process -> run    Ready, then for each task Done or Failed; it notes the video that it reads, or -1
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
from timesformer.datasets.channel import Channel, is_readable
from timesformer.datasets.clips import Batch, ClipDataset, collate
from timesformer.datasets.machine import memory_error, open_files_error
from timesformer.datasets.samplers import Key

ORPHAN_SECONDS = 5.0  # between two looks whether the run still lives
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


def work(channel: Channel, dataset: ClipDataset) -> None:
    """The life of a loader process; it ends with the run, or by a signal."""
    torch.set_num_threads(1)  # the processes are the parallelism
    cv2.setNumThreads(0)
    _leave_signals_to_the_run()
    dataset.watch = _Watch(channel, dataset.time_limit)
    parent = os.getppid()
    with contextlib.suppress(EOFError, ConnectionError):  # the run has ended
        channel.accept_notes()
        channel.send(Ready())
        while True:
            while not is_readable(channel, ORPHAN_SECONDS):
                if os.getppid() != parent:
                    return
            _answer(channel, dataset, channel.receive().content)


def unpacked(done: Done, clips: Tensor) -> Batch:
    """The batch of ``done``, its clips in the memory that came with it."""
    batch = (torch.from_numpy(v) if isinstance(v, np.ndarray) else v for v in done.batch)
    return Batch(*batch)._replace(clips=clips.view(done.shape))  # type: ignore[arg-type]


def _answer(channel: Channel, dataset: ClipDataset, task: Task) -> None:
    dataset.known_bad.update(task.known_bad)
    try:
        batch = collate([dataset[key] for key in task.keys])
        rest = batch._replace(clips=torch.empty(0, dtype=torch.uint8))
        arrays = tuple(v.numpy() if isinstance(v, Tensor) else v for v in rest)
        channel.send(Done(task.number, arrays, tuple(batch.clips.shape)), batch.clips.reshape(-1))
    except ConnectionError:
        raise
    except Exception as error:  # whatever it is, it is raised where the batch is awaited
        channel.send(Failed(task.number, _told(error), traceback.format_exc()))


def _told(error: Exception) -> Exception:
    """``error`` as the run should get it: with a remedy if it is the machine's, else unchanged."""
    if of_machine := open_files_error(error) or memory_error(error):
        return of_machine
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # as classes differ in what they can do
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


class _Watch:
    """Says what is read, and ends the process if it hangs in native code."""

    def __init__(self, channel: Channel, time_limit: float) -> None:
        self.channel = channel
        self.time_limit = time_limit

    @contextlib.contextmanager
    def __call__(self, index: int) -> Iterator[None]:
        self.channel.note(index)
        try:
            with self._timer() if math.isfinite(self.time_limit) else contextlib.nullcontext():
                yield
        finally:
            self.channel.note(-1)

    @contextlib.contextmanager
    def _timer(self) -> Iterator[None]:
        limit = self.time_limit + clips.GRACE_SECONDS
        with open(os.devnull, "w") as nowhere:
            faulthandler.dump_traceback_later(limit, exit=True, file=nowhere)
            try:
                yield
            finally:
                faulthandler.cancel_dump_traceback_later()


def _leave_signals_to_the_run() -> None:
    """Schedulers and terminals signal all processes; loading goes on until the run has saved.

    SIGTERM, by which systems end processes, ends this one; no video is blamed for that.
    """
    signal.signal(signal.SIGTERM, lambda *_: os._exit(ENDED))
    for name in ("SIGINT", "SIGUSR1", "SIGUSR2"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
