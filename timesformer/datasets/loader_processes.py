"""Loader processes that may crash, stop or hang: every batch comes, in order, or an error does.

A process that ends, or is silent for longer than a video may take, is replaced, and its batches are made
again. A batch during which a process crashed (``crash_policy``) is made in a new process while no other
reads anything, so that it has the memory of the machine for itself.
"""

import contextlib
import itertools
import multiprocessing
import multiprocessing.util
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any

import torch

from timesformer.datasets import clips
from timesformer.datasets.clips import Batch, ClipDataset
from timesformer.datasets.crash_policy import Action, CrashPolicy
from timesformer.datasets.loader_worker import (
    Done,
    Failed,
    Task,
    batch_of,
    run_worker,
)
from timesformer.datasets.resource_limits import LoaderError, open_files_error
from timesformer.datasets.samplers import Key
from timesformer.datasets.shared_memory import (
    Activity,
    Channel,
    channel_pair,
    is_readable,
    waitable,
)

PREFETCH = 2  # batches of a process: one that it makes, one that waits
POLL_SECONDS = 1.0  # between two looks at processes and signals while a batch is awaited
NO_ACTIVITY = Activity()
START_SECONDS = 300.0  # that a new process may take to import its modules, on a busy machine


@dataclass(eq=False)
class _Worker:
    process: Any  # of a multiprocessing context
    channel: Channel
    tasks: deque[Task] = field(default_factory=deque)
    activity: Activity = NO_ACTIVITY
    silent: float = 0.0  # seconds without a message or note, while the run listened
    has_started: bool = False
    num_done: int = 0


class LoaderProcesses:
    """The loader processes of one data set; they are kept between epochs."""

    def __init__(
        self, dataset: ClipDataset, size: int, *, start_method: str | None, pin_memory: bool
    ) -> None:
        self.dataset = dataset
        self.size = size
        self.context: Any = multiprocessing.get_context(start_method)
        self.numbers = itertools.count()
        self.backlog: deque[Task] = deque()
        self.suspects: deque[Task] = deque()  # tasks during which a process crashed
        self.alone: int | None = None  # the number of the suspect that is being tried
        self.done: dict[int, Any] = {}  # number -> Future of the batch, or the error
        self.crashes = CrashPolicy(dataset, size)
        self.pinning = _pinning_thread() if pin_memory else None
        self.workers: list[_Worker] = []
        multiprocessing.util.Finalize(self, _kill_all, args=(self.workers,), exitpriority=100)
        self.workers += [self._start() for _ in range(size)]

    @property
    def pids(self) -> list[int]:
        """Of the processes that work now."""
        return [worker.process.pid for worker in self.workers]

    def batches(self, plan: Iterable[list[Key]], *, give_up: Callable[[], bool]) -> Iterator[Batch]:
        """The batches of ``plan`` in order, or none any more once ``give_up`` says so.

        Raises:
            LoaderError: the processes cannot work here at all.
        """
        self._reset()
        tasks = (Task(next(self.numbers), keys, {}) for keys in plan)
        order: deque[int] = deque()
        while True:
            for task in itertools.islice(tasks, self.size * PREFETCH - len(order)):
                order.append(task.number)
                self.backlog.append(task)
            self._assign()
            if not order:
                return
            while order[0] not in self.done:
                self._poll()
                if order[0] not in self.done and give_up():
                    return
            yield _result(self.done.pop(order.popleft()))

    def _reset(self) -> None:
        """Start again: replace processes that still work for an iteration that was left."""
        for worker in [worker for worker in self.workers if worker.tasks]:
            self._replace(worker)
        self.backlog.clear()
        self.suspects.clear()
        self.done.clear()
        self.alone = None

    def _start(self) -> _Worker:
        try:
            here, there = channel_pair()
            process = self.context.Process(
                target=run_worker, args=(there, self.dataset), daemon=True
            )
            process.start()
        except OSError as error:
            raise open_files_error(error) or LoaderError(
                f"a loader process cannot be started ({error}); raise the limits of processes and "
                "memory (ulimit -u, ulimit -v), or lower DATA_LOADER.NUM_WORKERS"
            ) from error
        there.close()
        return _Worker(process, here)

    def _replace(self, worker: _Worker) -> None:
        _kill_all([worker])
        self.workers[self.workers.index(worker)] = self._start()

    def _assign(self) -> None:
        """Tasks to the processes that have the fewest; a suspect to one that is new, alone."""
        if self.alone is not None:
            return
        if self.suspects:
            if not any(worker.tasks for worker in self.workers):
                self.alone = self.suspects[0].number
                newest = min(self.workers, key=lambda worker: worker.num_done)
                _send(newest, self.suspects.popleft(), self.crashes.excluded)
            return
        while self.backlog:
            idlest = min(self.workers, key=lambda worker: len(worker.tasks))
            if len(idlest.tasks) >= PREFETCH:
                return
            _send(idlest, self.backlog.popleft(), self.crashes.excluded)

    def _poll(self) -> None:
        """Wait briefly for messages and take them; replace processes that are dead or silent."""
        ends = [waitable(worker.channel) for worker in self.workers]
        began = time.monotonic()
        wait([*ends, *(worker.process.sentinel for worker in self.workers)], POLL_SECONDS)
        for worker in list(self.workers):
            is_alive = worker.process.is_alive()  # before its last messages are read
            worker.silent += min(time.monotonic() - began, POLL_SECONDS)
            while is_readable(worker.channel) and self._receive(worker):
                worker.silent = 0.0
            if worker.channel.activity != worker.activity:
                worker.activity, worker.silent = worker.channel.activity, 0.0
            if not is_alive or (worker.tasks and worker.silent > self._patience(worker)):
                self._replace_failed(worker)
        self._assign()

    def _patience(self, worker: _Worker) -> float:
        """Seconds of silence that are allowed; the process's own time limit comes first."""
        return (
            self.dataset.time_limit + 2 * clips.GRACE_SECONDS
            if worker.has_started
            else START_SECONDS
        )

    def _receive(self, worker: _Worker) -> bool:
        """Take one message; whether there was one."""
        try:
            message = worker.channel.receive()
        except (EOFError, ConnectionError):
            return False
        except OSError as error:
            raise open_files_error(error) or error from error
        worker.has_started = True
        if isinstance(message.content, Done | Failed):
            self._store(worker, message.content, message.tensor)
        return True

    def _store(self, worker: _Worker, answer: Done | Failed, tensor: torch.Tensor | None) -> None:
        task = worker.tasks.popleft()
        worker.num_done += 1
        self.crashes.on_success(task.keys)
        if self.alone == answer.number:
            self.alone = None
        if isinstance(answer, Failed):
            answer.error.__cause__ = _RemoteError(answer.text)
            self.done[answer.number] = answer.error
            return
        assert tensor is not None
        batch = batch_of(answer, tensor)
        self.done[answer.number] = (
            batch if self.pinning is None else self.pinning.submit(pinned, batch)
        )

    def _replace_failed(self, worker: _Worker) -> None:
        """Replace a process that is dead or silent, and queue its tasks again."""
        status = worker.process.exitcode  # None: it is silent
        tasks, video = worker.tasks, worker.activity.value
        self._replace(worker)
        if tasks and tasks[0].number == self.alone:
            self.alone = None
        action = self.crashes.on_exit(video, status)
        if tasks and action is Action.RETRY_ALONE:
            self.suspects.append(tasks.popleft())
        self.backlog.extendleft(reversed(tasks))


class _RemoteError(Exception):
    """The traceback of a loader process, as the cause of the error that it sent."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _send(worker: _Worker, task: Task, known_bad: dict[int, str]) -> None:
    worker.tasks.append(task)
    if len(worker.tasks) == 1:
        worker.silent = 0.0
    with contextlib.suppress(OSError):  # it has just ended, which the next poll sees
        worker.channel.send(task._replace(known_bad=known_bad))


def _result(done: Any) -> Batch:
    if isinstance(done, Exception):
        raise done
    batch: Batch = done.result() if isinstance(done, Future) else done
    return batch


def _kill_all(workers: list[_Worker]) -> None:
    """End processes, stopped ones too."""
    for worker in workers:
        worker.process.kill()
    for worker in workers:
        worker.process.join(timeout=5)  # one that waits for a disk in the system ends when it can
        worker.channel.close()


def _pinning_thread() -> ThreadPoolExecutor:
    """Copies batches that have come to pinned memory while the model computes."""
    device = (torch.cuda.current_device(),)
    return ThreadPoolExecutor(1, initializer=torch.cuda.set_device, initargs=device)


def pinned(batch: Batch) -> Batch:
    """A copy of ``batch`` in pinned memory, from which a GPU takes it without waiting."""
    tensors = (batch.clips, batch.labels, batch.indices, batch.failed)
    clips, labels, indices, failed = (tensor.pin_memory() for tensor in tensors)
    return batch._replace(clips=clips, labels=labels, indices=indices, failed=failed)
