"""How a command ends: an exit status, and one line on the error stream about an error or a signal.

The one place that maps exceptions to messages. Wrong input is one line and status 2, Ctrl-C one line
and 130, SIGTERM one line and 143; if the reader of the output goes away (``| head``), the status is
141 and nothing is written. Processes that the command has started end before it does.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

import typer

from timesformer.errors import EXPLAINED, INPUT_STATUS
from timesformer.io.terminal import drop, printable
from timesformer.runtime import local_rank
from timesformer.runtime.handlers import handled

BY_KEYBOARD, BY_SIGTERM, BY_CLOSED_PIPE = 128 + 2, 128 + 15, 128 + 13  # as shells count signals
_AGAIN_SECONDS = 0.01  # until the callback that lost a signal is over
UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # has no public name


class Terminated(KeyboardInterrupt):
    """SIGTERM; what cleans up after Ctrl-C cleans up after it too."""


def arm() -> None:
    """Make a signal end the process at once and quietly: for imports, before there is any work."""

    def end(number: int, _: FrameType | None) -> None:
        os.write(2, b"\ninterrupted\n" if number == signal.SIGINT else b"ended by SIGTERM\n")
        os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


def status_of(main: Callable[[], int | None], name: str, interrupted: str = "") -> int:
    """The exit status of ``main``, which runs while Ctrl-C and SIGTERM raise exceptions.

    Args:
        main: returns a status; None is 0.
        name: of the command, which begins every line about an error.
        interrupted: what an interruption means for the work.
    """
    with _signals_raise(), _sent_again_if_lost():
        try:
            return _flushed(main() or 0)
        except typer.Exit as stop:
            return _flushed(stop.exit_code)
        except Terminated:
            return _report(f"{name}: ended by SIGTERM", interrupted, BY_SIGTERM)
        except KeyboardInterrupt:
            return _report(f"\n{name}: interrupted", interrupted, BY_KEYBOARD)
        except BrokenPipeError:
            return _flushed(BY_CLOSED_PIPE)
        except (*EXPLAINED, UsageError, MemoryError, OSError) as error:
            context = getattr(error, "ctx", None)  # of the command that does not understand
            name = context.command_path if context else name
            return _fail(name, _message(error, name))


def leave(status: int) -> NoReturn:
    """End the process with ``status``; after an interruption without waiting for any thread."""
    status = _flushed(status)
    if status in (BY_KEYBOARD, BY_SIGTERM, BY_CLOSED_PIPE):
        _end_processes()
        from timesformer.runtime.processes import remove_temporary_folder

        remove_temporary_folder()
        os._exit(status)
    sys.exit(status)


def _message(error: BaseException, name: str) -> str:
    """Raises ``error`` again if it is a system error that names no cause."""
    if isinstance(error, UsageError):
        text = error.format_message()  # type: ignore[attr-defined]
        return f"{text}\n(see {name} --help)"
    if isinstance(error, MemoryError):
        return "there is not enough memory; use fewer or smaller videos, or less at once"
    if isinstance(error, EXPLAINED) or not isinstance(error, OSError):
        return "\n".join(map(printable, str(error).split("\n")))
    if error.errno is None:
        raise error
    file = f"{printable(error.filename)}: " if error.filename is not None else ""
    return f"{file}{error.strerror}"


def _fail(name: str, message: str) -> int:
    try:
        local_rank.await_local_rank_zero()  # under torchrun one process reports it
    except Terminated:  # by the end of the first one
        return BY_SIGTERM
    return _report(f"{name}: error: {message}", "", INPUT_STATUS)


def _report(line: str, more: str, status: int) -> int:
    _end_processes()
    with contextlib.suppress(OSError):  # the reader may have gone
        print(f"{line}; {more}" if more else line, file=sys.stderr, flush=True)
    return _flushed(status)


def _end_processes() -> None:
    from timesformer.runtime.processes import end_processes  # which imports multiprocessing

    end_processes()


def _flushed(status: int) -> int:
    """``status``, or that of a closed pipe, after which the rest of the output is dropped."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            status = status or BY_CLOSED_PIPE
            drop(stream)
    return status


def _signals_raise() -> contextlib.AbstractContextManager[None]:
    owner = os.getpid()

    def end(number: int, _: FrameType | None) -> NoReturn:
        if os.getpid() != owner:  # a fork, which has not set its own handlers yet
            os._exit(128 + number)
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    return handled((signal.SIGINT, signal.SIGTERM), end)


@contextlib.contextmanager
def _sent_again_if_lost() -> Iterator[None]:
    """Send a signal again if its exception is lost.

    Where it comes while a destructor or a callback of a weak reference runs (imports have such), Python
    prints the exception and continues as if there had been no signal.
    """
    before = sys.unraisablehook

    def hook(lost: Any) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            before(lost)
            return
        number = signal.SIGTERM if issubclass(lost.exc_type, Terminated) else signal.SIGINT
        timer = threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), number))
        timer.daemon = True
        timer.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
