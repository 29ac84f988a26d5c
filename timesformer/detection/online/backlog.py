"""Windows that wait for the model: which of them are skipped when it is too slow.

wait       none: reading waits for the model
skip       all but the newest one
queue:N    all but the N newest ones

A window is skipped as a whole, never a frame of one, so that every score is that of the recorded file.
"""

import re
import threading
import time
from collections import deque
from typing import Any, NamedTuple

from timesformer.detection.frames import Stopped
from timesformer.errors import InputError

READ_AHEAD = 4  # windows, where reading waits
_QUEUE = re.compile(r"queue:([0-9]{1,4})")


class LateError(InputError, ValueError):
    """A policy that there is not; the message says which there are."""


class Policy(NamedTuple):
    """How many windows wait at most, and whether reading waits for a place."""

    most: int
    reading_waits: bool


def parse_late(text: str) -> Policy:
    """Of ``wait``, ``skip`` or ``queue:N``.

    Raises:
        LateError: another text, or a queue for no window.
    """
    match = _QUEUE.fullmatch(text)
    if match and int(match[1]):
        return Policy(int(match[1]), False)
    if text not in _POLICIES:
        raise LateError(
            f"--late is {text!r}; write skip, wait, or queue:N for N windows, 1 to 9999"
        )
    return _POLICIES[text]


_POLICIES = {"wait": Policy(READ_AHEAD, True), "skip": Policy(1, False)}


class Waiting(NamedTuple):
    """A window that waits: ``content`` becomes that of ``as_skipped`` if it waits too long."""

    content: Any
    as_skipped: Any


class Backlog:
    """Items from the thread that reads to the one that computes, in order; windows may be skipped."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._items: deque[Any] = deque()
        self._waiting = 0  # windows
        self.due = 0  # windows that have been put, each to be scored or skipped
        self._changed = threading.Condition()
        self.stop = threading.Event()

    @property
    def reading_waits(self) -> bool:
        """Whether a window that is too early waits for a place instead of being skipped."""
        return self._policy.reading_waits

    def put(self, item: Any) -> None:
        """Append ``item``; a window over the limit makes the oldest one skipped, or waits for a place.

        Raises:
            Stopped: nobody takes items any more.
        """
        with self._changed:
            if isinstance(item, Waiting):
                while self._waiting >= self._policy.most and self._policy.reading_waits:
                    self._pause()
                if self._waiting >= self._policy.most:
                    self._skip_oldest()
            if self.stop.is_set():
                raise Stopped
            if isinstance(item, Waiting):
                self._waiting += 1
                self.due += 1
            self._items.append(item)
            self._changed.notify_all()

    def get(self, seconds: float) -> Any:
        """The oldest item, None if none comes within ``seconds``."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._items:
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)
            item = self._items.popleft()
            if not isinstance(item, Waiting):
                return item
            self._waiting -= 1
            self._changed.notify_all()
            return item.content

    def drain(self) -> list[Any]:
        """Stop, and return what is left, its windows as skipped ones."""
        self.stop.set()
        with self._changed:
            self._changed.notify_all()
            left = [each.as_skipped if isinstance(each, Waiting) else each for each in self._items]
            self._items.clear()
            self._waiting = 0
        return left

    def _pause(self) -> None:
        if self.stop.is_set():
            raise Stopped
        self._changed.wait(0.5)

    def _skip_oldest(self) -> None:
        place = next(i for i, each in enumerate(self._items) if isinstance(each, Waiting))
        self._items[place] = self._items[place].as_skipped
        self._waiting -= 1
