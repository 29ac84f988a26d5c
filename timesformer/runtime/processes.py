"""Processes that end with the one that started them."""

import contextlib
import multiprocessing
import multiprocessing.queues
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from types import FrameType
from typing import NoReturn

_PATIENCE = 5.0  # seconds that processes have to end before they are killed
_BY_SIGTERM = 128 + signal.SIGTERM  # as shells count signals


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


def remove_temporary_folder() -> None:
    """Remove the folder of this process for sockets, which ``multiprocessing`` removes at a usual exit."""
    folder = getattr(multiprocessing.current_process(), "_config", {}).get("tempdir")
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def _begin_worker() -> None:
    """In a new process: Ctrl-C is for its parent to handle, and its parent's death is its own."""

    def end(_: int, frame: FrameType | None) -> NoReturn:
        if _waits_for_work(frame):  # leaving it half read would confuse the other processes
            os._exit(_BY_SIGTERM)
        raise SystemExit(_BY_SIGTERM)

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
