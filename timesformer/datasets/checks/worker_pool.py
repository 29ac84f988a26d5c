"""A function over many items, in processes that may hang or die: every item gets a result.

A process works on one item at a time, so that a time limit and a crash always belong to that item;
a process that exceeds the limit is killed and replaced.
"""

import contextlib
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

NO_ANSWER = "no answer"
CRASHED = "crashed"
START_SECONDS = 300.0  # that a new process may take to import its modules, on a busy machine
LONGEST_WAIT = 3600.0  # seconds, where there is no time limit
READY = "ready"


class Result(NamedTuple):
    """The ``value`` for ``item``, or why there is none: a kind and its explanation."""

    item: str
    value: Any = None
    problem: str = ""
    detail: str = ""


Progress = Callable[[Iterable[Result], int], Iterable[Result]]  # (results, total) -> results


def no_progress(results: Iterable[Result], total: int) -> Iterable[Result]:
    """``results``, shown nowhere."""
    return results


@dataclass(eq=False)
class _Worker:
    process: Any  # of a multiprocessing context
    pipe: Connection
    item: str | None = None
    deadline: float = float("inf")


def map_with_timeout(
    function: Callable[[str], Any], items: Sequence[str], *, workers: int, seconds: float
) -> Iterator[Result]:
    """Results of ``items``, in the order in which they are ready.

    Args:
        function: of one item, importable by name; an exception becomes a crash of that item.
        items: what to work on.
        workers: processes.
        seconds: time limit of one item; inf: none.
    """
    queue = list(reversed(items))
    pool = [_start(function) for _ in range(min(workers, len(items)))]
    missing = len(items)
    try:
        while missing:
            now = time.monotonic()
            pause = min(max(min(worker.deadline for worker in pool) - now, 0), LONGEST_WAIT)
            ready = set(wait([worker.pipe for worker in pool], timeout=pause))
            for worker in list(pool):
                heard = worker.pipe in ready
                result, alive = _hear(worker) if heard else _late(worker, seconds)
                if not alive:
                    _stop(worker)
                    pool.remove(worker)
                    pool += [_start(function)] if queue else []
                elif heard:
                    _assign(worker, queue, seconds)
                if result is not None:
                    missing -= 1
                    yield result
    finally:
        for worker in pool:
            _stop(worker)


def _start(function: Callable[[str], Any]) -> _Worker:
    """A process of its own, never a fork: forks inherit locks of decoder threads."""
    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(function, there), daemon=True)
    process.start()
    there.close()
    return _Worker(process, here, deadline=time.monotonic() + START_SECONDS)


def _work(function: Callable[[str], Any], pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its processes
    pipe.send(READY)
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        try:
            result = Result(item, function(item))
        except Exception as error:  # an item must never end the scan
            result = Result(item, None, CRASHED, f"{type(error).__name__}: {error}")
        pipe.send(result)


def _assign(worker: _Worker, queue: list[str], seconds: float) -> None:
    worker.item, worker.deadline = None, float("inf")
    if queue:
        worker.item, worker.deadline = queue.pop(), time.monotonic() + seconds
        with contextlib.suppress(OSError):  # it has just died; its pipe will say so
            worker.pipe.send(worker.item)


def _hear(worker: _Worker) -> tuple[Result | None, bool]:
    """The message of a ready worker, and whether the worker is alive."""
    try:
        message = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join(5)
        return _failure(worker, CRASHED, f"crashed the decoder ({_status(worker)})"), False
    return (None if message == READY else message), True


def _late(worker: _Worker, seconds: float) -> tuple[Result | None, bool]:
    """Whether a silent worker is beyond its limit."""
    if time.monotonic() < worker.deadline:
        return None, True
    return _failure(worker, NO_ANSWER, f"no answer within {seconds:g} s"), False


def _failure(worker: _Worker, problem: str, detail: str) -> Result | None:
    """The result of the item that was being worked on.

    Raises:
        RuntimeError: there was none: processes cannot start here at all.
    """
    if worker.item is None:
        raise RuntimeError(
            f"a scan process ended before its first video ({_status(worker)}); see the messages "
            "above, and try fewer processes"
        )
    return Result(worker.item, None, problem, detail)


def _status(worker: _Worker) -> str:
    code = worker.process.exitcode
    return f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"


def _stop(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join()
    worker.pipe.close()
