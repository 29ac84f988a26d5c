"""Work that may never answer: after its time limit it is abandoned, and the command continues.

Native code that waits in the system cannot be stopped from within its process. It runs in a thread of
its own, which is abandoned after the time limit and does not keep the command from ending.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from timesformer.errors import InputError

T = TypeVar("T")
R = TypeVar("R")

_LOOK_SECONDS = 0.5  # between two checks for Ctrl-C, where it does not end a wait
_END = object()


class TimeLimitError(InputError, TimeoutError):
    """A call took too long; the message names it and the limit."""


def call_with_timeout(seconds: float, work: Callable[[], T], *, what: str) -> T:
    """``work()``, or its error.

    Raises:
        TimeLimitError: it takes longer than ``seconds``; ``what`` says what it is.
    """
    return map_in_threads(lambda _: work(), [what], seconds=seconds, at_once=1)[0]


def iterate_with_timeout(seconds: float, items: Iterable[T], *, what: str) -> Iterator[T]:
    """``items``, each of which has ``seconds`` to come; the errors of ``call_with_timeout``."""
    iterator = iter(items)
    while (item := call_with_timeout(seconds, lambda: next(iterator, _END), what=what)) is not _END:
        yield item  # type: ignore[misc]


def map_in_threads(
    function: Callable[[T], R], items: Sequence[T], *, seconds: float, at_once: int
) -> list[R]:
    """``function`` of each of ``items``, in order; ``at_once`` threads work on them.

    Raises:
        TimeLimitError: one of them takes longer than ``seconds``.
    """
    work = _SharedWork(function, items)
    for _ in range(min(at_once, len(items))):
        threading.Thread(target=work.run, daemon=True).start()
    return work.wait(seconds)


class _SharedWork:
    """The state that the threads share; errors are raised in the waiting thread."""

    def __init__(self, function: Callable[[Any], Any], items: Sequence[Any]) -> None:
        self.function = function
        self.items = items
        self.changed = threading.Condition()
        self.results: dict[int, Any] = {}
        self.error: BaseException | None = None
        self.started: dict[int, float] = {}  # of the items that are worked on
        self.next = 0

    def run(self) -> None:
        while True:
            with self.changed:
                number = self.next
                if number >= len(self.items) or self.error is not None:
                    return
                self.next += 1
                self.started[number] = time.monotonic()
            error = result = None
            try:
                result = self.function(self.items[number])
            except BaseException as raised:  # of any kind: raised in the waiting thread
                error = raised
            with self.changed:
                del self.started[number]
                self.results[number] = result
                self.error = self.error or error
                self.changed.notify_all()

    def wait(self, seconds: float) -> list[Any]:
        with self.changed:
            while self.error is None and len(self.results) < len(self.items):
                now = time.monotonic()
                for number, started in self.started.items():
                    if now - started > seconds:
                        self.next = len(self.items)  # the other threads end
                        raise TimeLimitError(
                            f"{self.items[number]}: no answer within {seconds:g} seconds"
                        )
                first = min(self.started.values(), default=now)
                self.changed.wait(min(max(first + seconds - now, 0.0) + 0.001, _LOOK_SECONDS))
            if self.error is not None:
                raise self.error
            return [self.results[number] for number in range(len(self.items))]
