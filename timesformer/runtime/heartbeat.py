"""Processes that have met tell each other that they live, and why they end.

A thread of each process writes its beat into their store. Nobody ends for want of beats while the run
computes: they tell who has gone when an exchange fails, and whether who is waited for still works.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable

import torch.distributed as dist

from timesformer.runtime.rendezvous import Meeting, RendezvousError

logger = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
LISTEN_SECONDS = 4.0  # for the beats of the others, when an exchange has failed
SILENCE_SECONDS = 45.0  # after which a process that checks files counts as gone
NOTICE_SECONDS = 60.0  # between two lines about what is waited for
_LOOK_SECONDS = 0.1
_GONE = ("connection closed by peer", "connection reset by peer", "broken pipe", "pair closure",
         "timed out waiting", "socket timeout", "connection refused")  # fmt: skip


def is_lost_exchange(error: BaseException) -> bool:
    """Whether ``error`` says that another process does not answer; gloo has no class for it."""
    text = str(error).lower()
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(phrase in text for phrase in _GONE)
    )


class LifeSigns:
    """The beats of one process, and what those of the others say. All keys are of one ``Meeting``."""

    def __init__(self, meeting: Meeting) -> None:
        self.meeting = meeting
        self.hosts = {rank: meeting.host(rank) for rank in range(0, meeting.world, meeting.local)}
        self.reason = ""  # why the first that ended did; known although the store may be gone
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, args=(meeting.connect(),), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more beats."""
        self._over.set()
        self._thread.join(2 * BEAT_SECONDS)

    def check_on_each_machine(self, check: Callable[[], None]) -> None:
        """Let the first process of each machine do ``check``; returns when all of them have.

        There is no time limit, as long as who checks gives signs of life.

        Raises:
            RendezvousError: the check of another machine has failed, or who does it has gone; and
                whatever ``check`` raises here.
        """
        store, rank, local = self.meeting.store, self.meeting.rank, self.meeting.local
        if rank % local == 0:
            try:
                check()
            except Exception as error:
                store.set(f"checked/{rank}", str(error) or repr(error))
                raise
            store.set(f"checked/{rank}", "")
        self._await_checks()

    def leave(self, reason: str) -> None:
        """Say why this process ends, if it is the first to do so; the others may hear it."""
        with contextlib.suppress(dist.DistError):
            if not self.reason:  # else the store may be gone, which its library reports at length
                said = f"{self._name(self.meeting.rank)} ended: {reason}"
                self.meeting.store.compare_set("reason", "", said)
            if self.meeting.rank == 0:  # whose end is that of the store
                self._await_hearing()

    def what_happened(self) -> str:
        """Who has gone, and why if it said so; to be asked after an exchange has failed."""
        if self.reason:
            return self.reason
        try:
            before = self._beats()
            deadline = time.monotonic() + LISTEN_SECONDS
            while not self.reason and time.monotonic() < deadline:
                time.sleep(_LOOK_SECONDS)
            after = self._beats()
        except dist.DistError:
            return self.reason or f"{self._name(0)} has gone, or cannot be reached any more"
        if self.reason:
            return self.reason
        gone = [rank for rank in range(self.meeting.world) if before[rank] == after[rank]]
        if not gone:
            return (
                f"all processes live, but an exchange took longer than {self.meeting.seconds:g} s "
                "(DIST.TIMEOUT), or failed"
            )
        names = ", ".join(map(self._name, gone))
        return f"{names} ended without a word: killed, out of memory, or the machine went down"

    def _beat(self, store: dist.Store) -> None:
        """In the thread, by a connection of its own, until the store is gone."""
        count = 0
        with contextlib.suppress(dist.DistError):
            while not self._over.is_set():
                count += 1
                store.set(f"beat/{self.meeting.rank}", str(count))
                if store.check(["reason"]):
                    self.reason = store.get("reason").decode()
                    store.set(f"heard/{self.meeting.rank}", "")
                    return  # before the store goes, which its library would report at length
                self._over.wait(BEAT_SECONDS)

    def _await_hearing(self) -> None:
        """Until the others know why this process ends, or have had the time to hear it."""
        others = [
            f"heard/{rank}" for rank in range(self.meeting.world) if rank != self.meeting.rank
        ]
        deadline = time.monotonic() + 2 * BEAT_SECONDS
        while others and not self.meeting.store.check(others) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)

    def is_said_here(self) -> bool:
        """Whether the first process of this machine has said why it ends, on this terminal."""
        first = self.meeting.rank - self.meeting.rank % self.meeting.local
        return first != self.meeting.rank and self.reason.startswith(f"{self._name(first)} ended: ")

    def _beats(self) -> list[str]:
        return [self._beat_of(rank) for rank in range(self.meeting.world)]

    def _beat_of(self, rank: int) -> str:
        key, store = f"beat/{rank}", self.meeting.store
        return store.get(key).decode() if store.check([key]) else ""

    def _await_checks(self) -> None:
        """Until the first process of every machine has checked its files."""
        started = time.monotonic()
        pending = dict.fromkeys(self.hosts, ("", started))  # process: its last beat, and when
        notice = started + NOTICE_SECONDS
        while pending:
            if self.reason:  # it ended before its check
                raise RendezvousError(self.reason)
            for rank in list(pending):
                if self._has_checked(rank):
                    del pending[rank]
                else:
                    pending[rank] = self._heard(rank, *pending[rank])
            if pending and time.monotonic() > notice:
                notice += NOTICE_SECONDS
                self._tell(list(pending), time.monotonic() - started)
            time.sleep(_LOOK_SECONDS if pending else 0)

    def _has_checked(self, rank: int) -> bool:
        key, store = f"checked/{rank}", self.meeting.store
        if not store.check([key]):
            return False
        if problem := store.get(key).decode():
            raise RendezvousError(f"{self._name(rank)} has found what stops the run: {problem}")
        return True

    def _heard(self, rank: int, last: str, when: float) -> tuple[str, float]:
        """The newest beat of ``rank`` and when it came; RendezvousError if that is too long ago."""
        beat, now = self._beat_of(rank), time.monotonic()
        if beat != last:
            return beat, now
        limit = min(SILENCE_SECONDS, self.meeting.seconds)
        if now - when > limit:
            raise RendezvousError(
                f"{self._name(rank)}, which checks the files of its machine, has given no sign of "
                f"life for {limit:g} s; look at its output, then start the run again"
            )
        return last, when

    def _tell(self, ranks: list[int], seconds: float) -> None:
        if os.environ["LOCAL_RANK"] == str(self.meeting.local - 1):  # once a machine
            names = ", ".join(map(self._name, ranks))
            logger.info(
                "waiting for %s to check lists and files, %.0f s so far; that has no time limit",
                names,
                seconds,
            )

    def _name(self, rank: int) -> str:
        first = rank - rank % self.meeting.local
        return f"process {rank} of {self.meeting.world} on {self.hosts[first]}"
