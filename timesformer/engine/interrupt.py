"""Signals that ask a run to save and end: SIGTERM and SIGUSR1 of schedulers, and Ctrl-C.

A signal is noted, never acted upon where it strikes: a training finishes its step and saves, a
validation or test finishes its batch. All processes then agree to end. A second Ctrl-C ends at once.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from timesformer import distributed

SIGNALS = [
    getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGINT") if hasattr(signal, name)
]
BY_KEYBOARD = 128 + signal.SIGINT  # exit status by the convention of shells

_noted: list[int] = []  # signals belong to the process, and so does this


class Interrupted(Exception):
    """The run ends here because a signal asked for it; all that is needed to go on is saved."""

    @property
    def status(self) -> int:
        """For the exit of the process: 0 for a scheduler that is going to start it again."""
        return BY_KEYBOARD if signal.SIGINT in _noted else 0


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Note signals instead of dying of them; only a main thread can."""
    _noted.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _note) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def requested() -> bool:
    """Whether this process got a signal."""
    return bool(_noted)


def agreed() -> bool:
    """Whether any process got one; all call this together."""
    return distributed.any_process(requested())


def end_if_agreed(where: str) -> None:
    """Raise Interrupted if any process got a signal; all call this together."""
    if agreed():
        end(where)


def end(where: str) -> None:
    """Raise Interrupted; ``where`` says what was going on, and how it goes on."""
    came = signal.Signals(_noted[0]).name if _noted else "a signal to another process"
    raise Interrupted(f"ended by {came} {where}")


def _note(number: int, _: FrameType | None) -> None:
    if number == signal.SIGINT and signal.SIGINT in _noted:
        raise KeyboardInterrupt
    if not _noted:
        again = "; Ctrl-C again to end at once" if number == signal.SIGINT else ""
        line = f"{signal.Signals(number).name}: ending after this step{again}\n"
        os.write(2, line.encode())  # stderr; logging is not safe in a signal handler
    _noted.append(number)
