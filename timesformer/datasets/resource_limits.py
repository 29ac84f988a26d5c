"""Limits of the machine that keep videos from being loaded: open files, memory, processes."""

import errno
import math
import os
import sys

from timesformer.errors import InputError

ENOUGH = 4096  # open files, for any run
_OPEN_FILES = (
    "no more files may be opened ({}); raise the limit (ulimit -n 4096), or lower "
    "DATA_LOADER.NUM_WORKERS"
)
_MEMORY = (
    "a loader process has no memory for its batch ({}); lower the batch size or "
    "DATA_LOADER.NUM_WORKERS, or give a container more (docker run --memory)"
)


class LoaderError(InputError, RuntimeError):
    """Videos cannot be loaded on this machine as configured; the message names reason and remedy."""


def open_files_problem(more: int) -> str:
    """Let this process, and those that it starts, open ``more`` files; else why it may not."""
    if sys.platform == "win32":
        return ""
    import resource

    kind, no_limit = resource.RLIMIT_NOFILE, resource.RLIM_INFINITY
    soft, hard = resource.getrlimit(kind)
    now, most = (math.inf if limit == no_limit else limit for limit in (soft, hard))
    needed = more + (len(os.listdir("/dev/fd")) if os.path.isdir("/dev/fd") else 0)
    if now >= needed:
        return ""
    if most < needed:
        return (
            f"a process may open {soft} files here, but a run with its loader processes needs "
            f"{needed}; raise the limit (ulimit -n {ENOUGH}), or lower DATA_LOADER.NUM_WORKERS"
        )
    resource.setrlimit(kind, (int(min(most, max(needed, ENOUGH))), hard))
    return ""


def open_files_error(error: BaseException) -> LoaderError | None:
    """What to raise if ``error``, or what caused it, is a limit of open files; else None."""
    cause: BaseException | None = error
    while cause is not None:
        if getattr(cause, "errno", None) in (errno.EMFILE, errno.ENFILE):
            return LoaderError(_OPEN_FILES.format(cause))
        cause = cause.__cause__
    return None


def memory_error(error: BaseException) -> LoaderError | None:
    """What to raise if ``error`` is a lack of memory; else None."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) in (
        errno.ENOMEM,
        errno.ENOSPC,
    ):
        return LoaderError(_MEMORY.format(error or type(error).__name__))
    return None
