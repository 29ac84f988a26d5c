"""Processes that have joined tell each other that they are alive, and why they fail.

A thread of each process writes a counter into their store every second. A missing heartbeat never stops
a run: it names the dead rank after a collective has failed, and the rank that a check waits for in vain.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable

import torch.distributed as dist

from timesformer.runtime.rendezvous import ProcessGroupInfo, RendezvousError

logger = logging.getLogger(__name__)

DEAD = "exited without reporting an error: killed, out of memory, or the machine went down"

BEAT_SECONDS = 1.0
LISTEN_SECONDS = 4.0  # for heartbeats, when a collective has failed
SILENCE_SECONDS = 45.0  # after which a process that checks files counts as dead
NOTICE_SECONDS = 60.0  # between two lines about a check that takes long
_POLL_SECONDS = 0.1


class Heartbeat:
    """The heartbeat of one process, and what it knows of the other processes of ``info``."""

    def __init__(self, info: ProcessGroupInfo) -> None:
        self.info = info
        ranks = range(0, info.world_size, info.local_world_size)
        self.hosts = {rank: info.host(rank) for rank in ranks}
        self.reason = ""  # of the first failure; known although the store may be gone
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, args=(info.connect(),), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self._thread.join(2 * BEAT_SECONDS)

    def check_on_each_machine(self, check: Callable[[], None]) -> None:
        """Let the first process of each machine do ``check``; returns when all of them have.

        There is no time limit, as long as the process that checks has a heartbeat.

        Raises:
            RendezvousError: the check of another machine has failed, or its process is dead; and
                what ``check`` raises here.
        """
        store, rank = self.info.store, self.info.rank
        if rank in self.hosts:
            try:
                check()
            except Exception as error:
                store.set(f"checked/{rank}", str(error) or repr(error))
                raise
            store.set(f"checked/{rank}", "")
        self._await_checks()

    def report_failure(self, reason: str) -> None:
        """Tell the other processes why this one fails, if it is the first to do so."""
        with contextlib.suppress(dist.DistError):
            if not self.reason:  # else the store may be gone, which its library reports at length
                report = f"{self._name(self.info.rank)} ended: {reason}"
                self.info.store.compare_set("reason", "", report)
            if self.info.rank == 0:  # it hosts the store
                self._await_readers()

    def failed_before(self) -> str:
        """The failure that happened before an error of this process; empty if there is none.

        It is the report of another process, or its missing heartbeat, for which this call listens
        ``LISTEN_SECONDS``.
        """
        if self.reason:
            return self.reason
        try:
            before = self._beats()
            deadline = time.monotonic() + LISTEN_SECONDS
            while not self.reason and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
            after = before if self.reason else self._beats()
        except dist.DistError:
            return self.reason or f"{self._name(0)} is dead, or cannot be reached any more"
        if self.reason:
            return self.reason
        dead = [rank for rank, beat in enumerate(before) if beat == after[rank]]
        return f"{', '.join(map(self._name, dead))} {DEAD}" if dead else ""

    def is_logged_here(self) -> bool:
        """Whether local rank 0 has logged on this terminal why it ends."""
        first = self.info.rank - self.info.rank % self.info.local_world_size
        is_own = first == self.info.rank
        return not is_own and self.reason.startswith(f"{self._name(first)} ended: ")

    def _beat(self, store: dist.Store) -> None:
        """In the thread, by a connection of its own, until the store is gone."""
        count = 0
        with contextlib.suppress(dist.DistError):
            while not self._over.is_set():
                count += 1
                store.set(f"beat/{self.info.rank}", str(count))
                if store.check(["reason"]):
                    self.reason = store.get("reason").decode()
                    store.set(f"read/{self.info.rank}", "")
                    return  # before the store goes, which its library would report at length
                self._over.wait(BEAT_SECONDS)

    def _await_readers(self) -> None:
        """Until the other processes have read why this one ends, or have had the time to."""
        ranks = range(self.info.world_size)
        others = [f"read/{rank}" for rank in ranks if rank != self.info.rank]
        deadline = time.monotonic() + 2 * BEAT_SECONDS
        while others and not self.info.store.check(others) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _beats(self) -> list[str]:
        return [self._beat_of(rank) for rank in range(self.info.world_size)]

    def _beat_of(self, rank: int) -> str:
        key, store = f"beat/{rank}", self.info.store
        return store.get(key).decode() if store.check([key]) else ""

    def _await_checks(self) -> None:
        """Until the first process of every machine has checked its files."""
        started = time.monotonic()
        pending = dict.fromkeys(self.hosts, ("", started))  # rank: its last beat, and when
        notice = started + NOTICE_SECONDS
        while pending:
            if self.reason:  # a process failed before its check
                raise RendezvousError(self.reason)
            for rank in list(pending):
                if self._has_checked(rank):
                    del pending[rank]
                else:
                    pending[rank] = self._last_beat(rank, *pending[rank])
            if pending and time.monotonic() > notice:
                notice += NOTICE_SECONDS
                self._log_wait(list(pending), time.monotonic() - started)
            time.sleep(_POLL_SECONDS if pending else 0)

    def _has_checked(self, rank: int) -> bool:
        key, store = f"checked/{rank}", self.info.store
        if not store.check([key]):
            return False
        if problem := store.get(key).decode():
            raise RendezvousError(f"{self._name(rank)} has found what stops the run: {problem}")
        return True

    def _last_beat(self, rank: int, last: str, when: float) -> tuple[str, float]:
        """The newest beat of ``rank`` and when it came; RendezvousError if that is too long ago."""
        beat, now = self._beat_of(rank), time.monotonic()
        if beat != last:
            return beat, now
        limit = min(SILENCE_SECONDS, self.info.timeout)
        if now - when > limit:
            raise RendezvousError(
                f"{self._name(rank)}, which checks the files of its machine, has had no heartbeat for "
                f"{limit:g} s; look at its output, then start the run again"
            )
        return last, when

    def _log_wait(self, ranks: list[int], seconds: float) -> None:
        if os.environ["LOCAL_RANK"] == str(self.info.local_world_size - 1):  # once a machine
            names = ", ".join(map(self._name, ranks))
            logger.info(
                "waiting for %s to check lists and files, %.0f s so far; that has no time limit",
                names,
                seconds,
            )

    def _name(self, rank: int) -> str:
        first = rank - rank % self.info.local_world_size
        return f"process {rank} of {self.info.world_size} on {self.hosts[first]}"
