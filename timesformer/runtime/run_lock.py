"""A run owns its folder by a lock of the operating system on OUTPUT_DIR/.lock.

The system releases the lock when its process dies. Record locks are not inherited, so a loader process
that survives holds none. There are two locks: one of the process that starts the run, and one of the
first process that it starts, which survives for a while when the starter is killed. Some network file
systems do not share locks between machines. There the file itself is the lock: it names host and process
and is touched every few seconds, and another host waits for a touch before it takes the folder.
"""

import contextlib
import datetime
import errno
import json
import logging
import os
import shlex
import shutil
import socket
import sys
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import psutil

from timesformer.errors import InputError
from timesformer.io.terminal import printable

logger = logging.getLogger(__name__)

FILE = ".lock"
BEAT_SECONDS = 10.0  # between two touches of the file
SILENT_SECONDS = 25.0  # without one: its owner has ended
LONG_AGO = 3600.0  # since the last touch: no start waits, even if the clocks of the machines differ

_STARTER, _WORKER = 1 << 30, (1 << 30) + 1  # bytes that are locked, far behind the text
_DELETED = {errno.ENOENT, errno.ESTALE}  # here, or by another machine
_HELD_BY_ANOTHER = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}

_owned: dict[str, tuple[int, "_Lock"]] = {}  # by folder: process id, and its lock


class FolderInUse(InputError):
    """Another process works in OUTPUT_DIR; the message names it, its start, and the remedy."""


@contextlib.contextmanager
def owned(output_dir: str | Path, *, is_started: bool = False) -> Iterator["_Lock | None"]:
    """Own OUTPUT_DIR while the block runs; a second block inside the first changes nothing.

    None, and no lock, where the folder cannot be written: the first file of the run reports it.

    Args:
        output_dir: of the run; it is made.
        is_started: by a process that owns the folder, and has handed it over.

    Raises:
        FolderInUse: another process owns it.
    """
    key = os.path.realpath(output_dir)
    if key in _owned and _owned[key][0] == os.getpid():
        yield _owned[key][1]
        return
    lock = None
    with contextlib.suppress(OSError):
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        lock = _Lock(Path(output_dir) / FILE)
    if lock is None:
        yield None
        return
    try:
        lock.take([_WORKER] if is_started else [_STARTER, _WORKER])
        _owned[key] = os.getpid(), lock
        yield lock
    finally:
        if _owned.get(key, (0, None))[1] is lock:
            del _owned[key]
        lock.close()


def emptied(output_dir: str | Path, *, names: Collection[str] = ()) -> None:
    """Delete the files of a run in a folder without an owner; with ``names`` only these.

    Raises:
        FolderInUse: a process does.
    """
    with owned(output_dir):
        for path in Path(output_dir).iterdir():
            if path.name == FILE or (names and path.name not in names):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


class _Lock:
    """The open lock file. Its owner must not open it again: closing any copy frees the lock."""

    def __init__(self, path: Path) -> None:
        """Raises OSError: the file cannot be opened or created."""
        self.path = path
        self.descriptor = _open(path)
        self.ended = threading.Event()
        self.owns_file = False
        self.toucher: threading.Thread | None = None

    def take(self, places: list[int]) -> None:
        """Lock the bytes ``places`` and write the owner into the file.

        Raises:
            FolderInUse: another process has locked one of them, or its host still touches the file.
        """
        while not self._try(places):  # its owner has just ended and deleted it
            os.close(self.descriptor)
            self.descriptor = _open(self.path)
        self.owns_file = places != [_WORKER]
        if self.owns_file:
            self._write(_me())
        self.toucher = threading.Thread(target=self._beat, daemon=True, name="touches the lock")
        self.toucher.start()

    def _try(self, places: list[int]) -> bool:
        """Try to lock the open file; False if another file has taken its place."""
        works = [_lock_byte(self.descriptor, place) for place in places]
        if not self._is_in_place():
            return False
        owner = self.read()
        if False in works:
            raise FolderInUse(self._in_use(owner))
        if owner and places != [_WORKER]:
            self._await(owner, can_lock=None not in works)
        return self._is_in_place()

    def hand_over(self) -> None:
        """Release the second lock, for the first of the processes that are started now."""
        _unlock_byte(self.descriptor, _WORKER)

    def read(self) -> dict[str, Any]:
        """The owner of the folder, which may be dead; empty after an orderly end."""
        try:
            os.lseek(self.descriptor, 0, os.SEEK_SET)
            found = json.loads(os.read(self.descriptor, 1 << 16) or b"{}")
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def close(self) -> None:
        """Release the locks and delete the file."""
        self.ended.set()
        if self.toucher is not None:
            self.toucher.join()
        with contextlib.suppress(OSError):
            if self.owns_file and self._is_in_place():
                os.truncate(self.descriptor, 0)  # Windows deletes no open file
                self.path.unlink()
        with contextlib.suppress(OSError):
            os.close(self.descriptor)

    def _is_in_place(self) -> bool:
        """Whether the open file is still the one at its path."""
        try:
            return os.path.samestat(os.fstat(self.descriptor), self.path.stat())
        except OSError as error:
            if error.errno not in _DELETED:
                raise
            return False

    def _await(self, owner: dict[str, Any], *, can_lock: bool) -> None:
        """Wait for a touch by an owner whose lock is not visible here; raise FolderInUse if it comes.

        An owner that ends in order empties the file and deletes it.
        """
        if owner.get("host") == socket.gethostname():
            if not can_lock and _is_alive(owner):
                raise FolderInUse(self._in_use(owner))
            return
        touched = os.fstat(self.descriptor).st_mtime
        if abs(time.time() - touched) > LONG_AGO:
            return
        logger.warning(
            "%s was in use by %s; waiting %.0f s for a sign of it",
            printable(self.path.parent), _named(owner), SILENT_SECONDS,
        )  # fmt: skip
        deadline = time.monotonic() + SILENT_SECONDS
        while time.monotonic() < deadline:
            time.sleep(min(1.0, SILENT_SECONDS / 10))
            if not self._is_in_place():
                return  # its owner has ended
            if os.stat(self.path).st_mtime != touched:  # asks the server, where there is one
                if found := self.read():
                    raise FolderInUse(self._in_use(found))
                return  # its owner is about to delete it

    def _in_use(self, owner: dict[str, Any]) -> str:
        folder = printable(self.path.parent)
        command = f" ({printable(owner['command'])})" if owner.get("command") else ""
        return (
            f"OUTPUT_DIR {folder} is in use by {_named(owner)}{command}; wait for its end or stop it "
            "and give the same command again, or choose another OUTPUT_DIR"
        )

    def _write(self, text: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # a full disk: the lock alone has to do
            os.truncate(self.descriptor, 0)
            os.lseek(self.descriptor, 0, os.SEEK_SET)
            os.write(self.descriptor, json.dumps(text).encode())
            os.fsync(self.descriptor)

    def _beat(self) -> None:
        target = self.descriptor if os.utime in os.supports_fd else self.path
        while not self.ended.wait(BEAT_SECONDS):
            with contextlib.suppress(OSError):
                os.utime(target)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)


def _me() -> dict[str, Any]:
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "since": now.isoformat(timespec="seconds"),
        "command": shlex.join(sys.argv),
    }


def _named(owner: dict[str, Any]) -> str:
    if not owner:
        return "another process"
    who = f"process {owner.get('process')} on {owner.get('host')} since {owner.get('since')}"
    return printable(who)


def _is_alive(owner: dict[str, Any]) -> bool:
    """Whether the process that wrote ``owner`` on this host is alive; a later one may have its number."""
    try:
        since = datetime.datetime.fromisoformat(str(owner.get("since"))).timestamp()
        return psutil.Process(int(owner["process"])).create_time() <= since + 1
    except (psutil.Error, KeyError, TypeError, ValueError):
        return False


def _lock_byte(descriptor: int, place: int) -> bool | None:
    """Whether this process has locked the byte ``place`` now; None: this file system has no locks."""
    try:
        _change(descriptor, place, is_locked=True)
    except OSError as error:
        return False if error.errno in _HELD_BY_ANOTHER else None
    return True


def _unlock_byte(descriptor: int, place: int) -> None:
    with contextlib.suppress(OSError):
        _change(descriptor, place, is_locked=False)


def _change(descriptor: int, place: int, *, is_locked: bool) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, place, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK if is_locked else msvcrt.LK_UNLCK, 1)
        return
    import fcntl

    wanted = fcntl.LOCK_EX | fcntl.LOCK_NB if is_locked else fcntl.LOCK_UN
    fcntl.lockf(descriptor, wanted, 1, place)
