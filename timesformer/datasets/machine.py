"""Failures of the machine, which no video is to blame for: open files, memory, processes."""

import errno

from timesformer.errors import InputError

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
