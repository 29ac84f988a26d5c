"""How every tool ends: by its status, an error of one line, or a signal, and alone.

A tool's ``main`` carries ``@command(...)`` and its file ends with ``leave(main())``. Then an error of
input is one line and status 2, Ctrl-C one line and 130, SIGTERM one line and 143, and a reader that
went away (``| head``) is no error. Processes that the tool has started end before it does.
"""

import contextlib
import functools
import multiprocessing
import multiprocessing.queues
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from types import FrameType
from typing import Any, NoReturn

from timesformer.errors import InputError
from timesformer.io.terminal import drop, printable
from timesformer.runtime import local_rank

INPUT = 2
BY_KEYBOARD, BY_SIGTERM, BY_CLOSED_PIPE = 128 + 2, 128 + 15, 128 + 13  # as shells count signals
_PATIENCE = 5.0  # seconds that processes have to end before they are killed


class Terminated(KeyboardInterrupt):
    """SIGTERM, wherever it strikes; what is cleaned up after Ctrl-C is cleaned up after it too."""


Main = Callable[..., "int | None"]
Handler = Callable[[int, "FrameType | None"], Any] | int


def command(name: str, *, interrupted: str = "") -> Callable[[Main], Callable[..., int]]:
    """Decorate the ``main`` of the tool ``name``: it returns a status instead of raising.

    Args:
        name: of its file, which begins every line about an error.
        interrupted: what an interruption means for the work, and how it goes on.
    """

    def decorate(main: Main) -> Callable[..., int]:
        @functools.wraps(main)
        def guarded(*arguments: object) -> int:
            with _signals_raise():
                return _status_of(lambda: main(*arguments), name, interrupted)

        return guarded

    return decorate


def arm() -> None:
    """End at once and quietly by a signal: for the time of slow imports, when there is no work yet."""

    def end(number: int, _: FrameType | None) -> None:
        os.write(2, b"\ninterrupted\n" if number == signal.SIGINT else b"ended by SIGTERM\n")
        os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


def leave(status: int) -> NoReturn:
    """End the process with ``status``; after an interruption without waiting for any thread."""
    status = _flushed(status)
    if status in (BY_KEYBOARD, BY_SIGTERM, BY_CLOSED_PIPE):
        end_processes()
        os._exit(status)
    sys.exit(status)


@contextlib.contextmanager
def process_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with this one, however it ends, and at once if the block does by an error."""
    pool = ProcessPoolExecutor(workers, initializer=_begin_worker)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        end_processes()
        raise
    pool.shutdown()


def end_processes() -> None:
    """End what this process has started by ``multiprocessing``: asked by SIGTERM, then killed."""
    deadline = time.monotonic() + _PATIENCE
    while children := multiprocessing.active_children():
        for child in children:
            if time.monotonic() < deadline:
                child.terminate()  # again and again: a pool's process ends one item by it
            else:
                child.kill()
        children[0].join(0.1)


def _status_of(main: Callable[[], int | None], name: str, interrupted: str) -> int:
    try:
        return _flushed(main() or 0)
    except Terminated:
        return _said(f"{name}: ended by SIGTERM", interrupted, BY_SIGTERM)
    except KeyboardInterrupt:
        return _said(f"\n{name}: interrupted", interrupted, BY_KEYBOARD)
    except BrokenPipeError:
        return _flushed(BY_CLOSED_PIPE)
    except (InputError, FloatingPointError) as error:
        return _failed(name, "\n".join(map(printable, str(error).split("\n"))))
    except MemoryError:
        return _failed(
            name, "there is not enough memory; use fewer or smaller videos, or less at once"
        )
    except OSError as error:
        if error.errno is None:
            raise
        file = f"{printable(error.filename)}: " if error.filename is not None else ""
        return _failed(name, f"{file}{error.strerror}")


def _failed(name: str, message: str) -> int:
    try:
        local_rank.await_local_rank_zero()  # under torchrun it is said once
    except Terminated:  # by the end of the first one
        return BY_SIGTERM
    return _said(f"{name}: error: {message}", "", INPUT)


def _said(line: str, more: str, status: int) -> int:
    end_processes()
    with contextlib.suppress(OSError):  # nobody may be there any more to read it
        print(f"{line}; {more}" if more else line, file=sys.stderr, flush=True)  # noqa: T201
    return _flushed(status)


def _flushed(status: int) -> int:
    """``status``, unless nobody reads the output; what is left of it is dropped then."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            status = status or BY_CLOSED_PIPE
            drop(stream)
    return status


@contextlib.contextmanager
def handled(numbers: Iterable[int], handler: Handler) -> Iterator[None]:
    """Let ``handler`` get these signals meanwhile; outside a main thread, which gets none, nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _signals_raise() -> contextlib.AbstractContextManager[None]:
    owner = os.getpid()

    def end(number: int, _: FrameType | None) -> NoReturn:
        if os.getpid() != owner:  # a fork, which has not set its own handlers yet
            os._exit(128 + number)
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    return handled((signal.SIGINT, signal.SIGTERM), end)


def _begin_worker() -> None:
    """In a new process: Ctrl-C is for its parent to handle, and its parent's death is its own."""

    def end(_: int, frame: FrameType | None) -> NoReturn:
        if _waits_for_work(frame):  # leaving it half read would confuse the other processes
            os._exit(BY_SIGTERM)
        raise SystemExit(BY_SIGTERM)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, end)


def _waits_for_work(frame: FrameType | None) -> bool:
    """Whether ``frame`` is inside the queue from which a process of a pool gets its work."""
    while frame is not None:
        if frame.f_code is multiprocessing.queues.Queue.get.__code__:
            return True
        frame = frame.f_back
    return False


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
