"""Requests to save and end: SIGTERM, SIGUSR1 and SIGUSR2 of schedulers, Ctrl-C, a time limit.

A signal handler only records the request: training finishes its step and saves, a validation or test
finishes its batch. Then all processes end together. A second Ctrl-C ends the run at once.
"""

import contextlib
import math
import os
import signal
import time
from collections.abc import Iterator
from types import FrameType

from timesformer.runtime import collectives
from timesformer.runtime.handlers import handled

SIGNALS = [
    getattr(signal, name)
    for name in ("SIGTERM", "SIGUSR1", "SIGUSR2", "SIGINT")
    if hasattr(signal, name)
]
CLOSED_PIPE = getattr(signal, "SIGPIPE", signal.SIGTERM)
BY_KEYBOARD = 128 + signal.SIGINT  # exit status by the convention of shells

_noted: list[int] = []  # signals belong to the process, and so does this
_deadline = [math.inf]  # of time.monotonic


class Interrupted(Exception):
    """A signal ended the run; everything that it needs to resume is saved."""

    @property
    def status(self) -> int:
        """The exit status: 0 for a scheduler, which will start the run again."""
        return BY_KEYBOARD if signal.SIGINT in _noted else 0


@contextlib.contextmanager
def listening(seconds: float = math.inf) -> Iterator[None]:
    """Record signals (in a main thread) and the time limit, instead of dying.

    ``seconds`` from now on the run is asked to end as by a signal.
    """
    _noted[:] = [number for number in _noted if number == CLOSED_PIPE]
    _deadline[0] = time.monotonic() + seconds
    with handled(SIGNALS, _note):
        yield


def requested() -> bool:
    """Whether this process got a signal, or has reached its time limit."""
    return bool(_noted) or time.monotonic() >= _deadline[0]


def note_closed_pipe() -> None:
    """Ask the run to end because its output is closed."""
    _noted.append(CLOSED_PIPE)


def agreed(*, failed: bool = False) -> bool:
    """Whether any process is asked to end, or has ``failed``; all processes call it together."""
    return collectives.any_process(failed or requested())


def end_if_agreed(where: str) -> None:
    """Raise Interrupted if any process got a signal; all processes call it together."""
    if agreed():
        end(where)


def end(where: str) -> None:
    """Raise Interrupted; ``where`` names the task, and how to resume it."""
    if _noted:
        came = signal.Signals(_noted[0]).name
    elif math.isfinite(_deadline[0]):
        came = "TRAIN.MAX_MINUTES"
    else:
        came = "a signal to another process"
    raise Interrupted(f"ended by {came} {where}")


def _note(number: int, _: FrameType | None) -> None:
    if number == signal.SIGINT and signal.SIGINT in _noted:
        raise KeyboardInterrupt
    if not _noted:
        again = "; Ctrl-C again to end at once" if number == signal.SIGINT else ""
        line = f"{signal.Signals(number).name}: ending after this step{again}\n"
        os.write(2, line.encode())  # stderr; logging is not safe in a signal handler
    _noted.append(number)
