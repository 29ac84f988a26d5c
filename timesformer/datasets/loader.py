"""Batches from loader processes; a video that kills or hangs its process does not end the run.

Each process notes which video it reads, in shared memory. When one dies, the video is known: it is
marked as broken, new processes are started, and loading goes on at the batch that is due. A process
that does not answer within the time limit is ended by a watchdog thread, even inside native code.

What a loader has given is a position, (epoch, batch): every draw follows from it and the seed, so
the position is all that a resumed run needs.
"""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from functools import partial

import cv2
import psutil
import torch
from torch.utils.data import DataLoader, get_worker_info

from timesformer.datasets.clips import Batch, ClipDataset, collate
from timesformer.datasets.remark_list import Remarks
from timesformer.datasets.samplers import EvalBatches, TrainBatches

logger = logging.getLogger(__name__)

MAX_UNEXPLAINED = 3  # deaths in a row of processes that read no video: not the data's fault


class ClipLoader:
    """Iterates over the batches of one epoch, in order; see the module docstring."""

    def __init__(
        self,
        dataset: ClipDataset,
        batch_sampler: TrainBatches | EvalBatches,
        *,
        num_workers: int,
        pin_memory: bool,
        start_method: str | None = None,
        remarks: Remarks | None = None,
    ) -> None:
        """``start_method`` of the processes: spawn, forkserver or fork; None is the system's.

        ``remarks`` takes those of the videos; it is said after an epoch.
        """
        self.dataset = dataset
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.start_method = start_method if num_workers else None
        self.reading = torch.full((max(num_workers, 1), 2), -1).share_memory_()  # (pid, video)
        self.remarks = remarks or Remarks("", len(dataset))
        self.fallbacks = 0  # videos that the configured device did not decode, in this epoch
        self._loader: DataLoader[Batch] | None = None

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[Batch]:
        unexplained = 0
        while True:
            try:
                for batch in self._processes():
                    self.batch_sampler.start += 1
                    self._note(batch)
                    unexplained = 0
                    yield batch
                break
            except (RuntimeError, OSError, EOFError):  # a death shows as any of them
                dead = [pid for pid in self.reading[:, 0].tolist() if pid > 0 and _is_dead(pid)]
                if not dead:
                    raise
                explained = self._blame(dead)
                unexplained = 0 if explained else unexplained + 1
                if unexplained > MAX_UNEXPLAINED:
                    raise
                self._loader = None
        self.remarks.say()
        if self.fallbacks:
            logger.warning("%d videos of this epoch were decoded on the CPU", self.fallbacks)
            self.fallbacks = 0
        self.batch_sampler.set_epoch(self.batch_sampler.epoch + 1)

    def _note(self, batch: Batch) -> None:
        """Of videos that the GPU does not decode the first is named; usually all are of one codec."""
        self.remarks.add(batch.remarks)
        if batch.fallbacks and not self.fallbacks:
            reason = batch.fallbacks[0]
            logger.warning("decoded on the CPU instead of the GPU, more are counted: %s", reason)
        self.fallbacks += len(batch.fallbacks)

    def state_dict(self) -> dict[str, int]:
        """The batch that is due next: {"epoch", "batch"}."""
        return {"epoch": self.batch_sampler.epoch, "batch": self.batch_sampler.start}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on with the batch that was due."""
        self.batch_sampler.set_epoch(state["epoch"])
        self.batch_sampler.start = state["batch"]

    def _processes(self) -> Iterator[Batch]:
        """An iterator over the remaining batches, from processes that live on between epochs."""
        if self._loader is None:
            self._loader = DataLoader(
                self.dataset,  # type: ignore[arg-type]
                batch_sampler=self.batch_sampler,
                collate_fn=collate,
                num_workers=self.num_workers,
                persistent_workers=self.num_workers > 0,
                pin_memory=self.pin_memory,
                multiprocessing_context=self.start_method,
                worker_init_fn=partial(_start_worker, reading=self.reading),
            )
        if threading.current_thread() is not threading.main_thread() or os.name == "nt":
            return iter(self._loader)
        # PyTorch raises from a signal handler when a process dies, in the middle of whatever runs;
        # without it the death is found where the batch is awaited.
        handler = signal.getsignal(signal.SIGCHLD)
        batches = iter(self._loader)
        signal.signal(signal.SIGCHLD, handler)
        return batches

    def _blame(self, pids: list[int]) -> bool:
        """Mark the videos that dead processes were reading; whether there were any."""
        found = False
        for pid, index in self.reading.tolist():
            if pid in pids and index >= 0:
                name = self.dataset.videos.name(index)
                reason = (
                    f"{name}: its loader process died or did not answer within "
                    f"{self.dataset.time_limit:g} seconds; re-encode it or remove it from the list"
                )
                self.dataset.known_bad[index] = reason
                logger.warning("going on with new loader processes: %s", reason)
                found = True
        self.reading.fill_(-1)
        return found


def _is_dead(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _start_worker(number: int, *, reading: torch.Tensor) -> None:
    """In a loader process: no threads of OpenCV, a slot for what it reads, no signals of the run."""
    cv2.setNumThreads(0)  # the processes are the parallelism
    info = get_worker_info()
    reading[number, 0] = os.getpid()
    info.dataset.slot = reading[number]  # type: ignore[union-attr]
    _leave_signals_to_the_run(reading[number])


def _leave_signals_to_the_run(slot: torch.Tensor) -> None:
    """Schedulers and terminals signal all processes; loading goes on until the run has saved.

    SIGTERM, by which PyTorch ends loader processes too, ends this one, but blames no video.
    """

    def end(*_: object) -> None:
        slot[1] = -1
        os._exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    for name in ("SIGINT", "SIGUSR1", "SIGUSR2"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
