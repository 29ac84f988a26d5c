"""Members of tar shards, read in place: where they lie, and each as a file of its own.

A shard's index (member -> offset, size) is read from ``<shard>.index.json``, which
``timesformer shards`` writes, else made by walking the tar headers; each process keeps the indices
that it has used. An index is not trusted: whoever opens a member looks at the header before it, and
if that is another one, the index is stale and the tar is walked.
"""

import io
import json
import logging
import os
import re
import tarfile
from functools import lru_cache
from pathlib import Path
from typing import IO, NamedTuple

from timesformer.io.opening import SourceError
from timesformer.video.remote import exists, foreign_errors, is_url, open_file

logger = logging.getLogger(__name__)

HEADER_BLOCK = 2**16  # bytes of one remote request while walking tar headers
TAR_BLOCK = 512
LONG_HEADERS = 16 * TAR_BLOCK  # before a member's data: its header, and a long name of 4096 bytes
LONG = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE)

_MEMBER = re.compile(r"(?P<shard>.+\.tar)::(?P<member>.+)", re.IGNORECASE | re.DOTALL)


class Extent(NamedTuple):
    """Where a member's bytes lie in its shard."""

    offset: int
    size: int


class Window(io.RawIOBase):
    """``size`` bytes of a seekable file from ``start``, as a file of its own; closes the file."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        super().__init__()
        self._file, self._start, self._size = file, start, size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise ValueError(f"seek to {origin + offset}, before the first byte")
        self._position = origin + offset
        return self._position

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        view = memoryview(buffer).cast("B")
        count = min(len(view), max(self._size - self._position, 0))
        if not count:
            return 0
        self._file.seek(self._start + self._position)
        data = self._file.read(count)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def split_member(path: str | Path) -> tuple[str, str]:
    """("a.tar", "b.mp4") of "a.tar::b.mp4"; (path, "") of anything else, also of a file so named."""
    match = _MEMBER.fullmatch(str(path))
    if not match or os.path.exists(path):
        return str(path), ""
    return match["shard"], match["member"]


def find_member(shard: str, member: str) -> Extent:
    """Where ``member`` lies in ``shard``.

    Raises:
        SourceError: there is no such member, or the shard cannot be read.
    """
    index = tar_index(shard)
    if member not in index:
        index = _walk_again(shard, f"does not name {member!r}")
    if member not in index:
        raise SourceError(
            f"{shard} has no member {member!r} ({len(index)} others); check the list, or write the "
            "shard again"
        )
    return index[member]


def members_of(shard: str, wanted: set[str]) -> set[str]:
    """The members of ``wanted`` that a shard has; an index that lacks one is checked."""
    index = tar_index(shard)
    if lacking := wanted.difference(index):
        index = _walk_again(shard, f"does not name {min(lacking)!r}")
    return wanted.intersection(index)


def open_member(shard: str, member: str) -> Window:
    """The bytes of ``member``, whose header is where the index says, or where a walk finds it.

    Raises:
        SourceError: there is no such member, or the shard cannot be read.
    """
    extent = find_member(shard, member)
    file = open_file(shard)
    try:
        if not is_before(file, member, extent):
            extent = _walk_again(shard, f"is wrong about {member!r}").get(member, extent)
            if not is_before(file, member, extent):
                raise SourceError(
                    f"{shard} has no member {member!r}, though its index names it; check the list, "
                    "or write the shard again"
                )
    except BaseException:
        file.close()
        raise
    return Window(file, extent.offset, extent.size)


def is_before(file: IO[bytes], member: str, extent: Extent) -> bool:
    """Whether the header that ends where ``extent`` begins is that of ``member``."""
    file.seek(max(extent.offset - TAR_BLOCK, 0))
    info = _header(file.read(TAR_BLOCK))
    if info is None or not info.isreg():
        return False
    if (info.name, info.size) == (member, extent.size):
        return True
    start = max(extent.offset - LONG_HEADERS, 0)
    file.seek(start)
    blocks = file.read(extent.offset - start)
    for at in range(0, len(blocks) - TAR_BLOCK, TAR_BLOCK):  # a header of a long name, or of pax
        long = _header(blocks[at : at + TAR_BLOCK])
        if long is not None and long.type in LONG:
            found = _first_member(blocks[at:])
            if found == (member, len(blocks) - at, extent.size):
                return True
    return False


def _header(block: bytes) -> tarfile.TarInfo | None:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return None


def _first_member(data: bytes) -> tuple[str, int, int] | None:
    """Name, place of the content and size of the first member of a tar."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            info = tar.next()
    except tarfile.TarError:
        return None
    return (info.name, info.offset_data, info.size) if info else None


def tar_index(shard: str) -> dict[str, Extent]:
    """Where the members of a tar lie, by name; later members of the same name win, as in tar.

    Raises:
        SourceError: the file is not an uncompressed tar, or cannot be read.
    """
    with foreign_errors(shard):
        version = _version(shard)
        return _walked[version] if version in _walked else _index(*version)


def index_path(shard: str | Path) -> str:
    """The file beside a shard that holds its index."""
    return f"{shard}.index.json"


def read_saved(data: bytes, size: int) -> dict[str, Extent] | None:
    """The members of an index file; None if it is not one, or not of a shard of ``size`` bytes."""
    try:
        saved = json.loads(data)
        if saved["bytes"] != size:
            return None
        members = {name: Extent(*extent) for name, extent in saved["members"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    sound = all(_lies_in(extent, size) for extent in members.values())
    return members if sound else None


def walk_tar(file: IO[bytes]) -> dict[str, Extent]:
    """The index of an open tar, from its headers."""
    with tarfile.open(fileobj=file, mode="r:") as tar:
        return {
            m.name: Extent(m.offset_data, m.size) for m in tar if m.isreg() and not m.issparse()
        }


_walked: dict[tuple[str, int, int], dict[str, Extent]] = {}  # shards whose index files are wrong


def _version(shard: str) -> tuple[str, int, int]:
    """A shard, its size and time; of a remote one, what they were at first."""
    if is_url(shard):
        return _remote_version(shard)
    state = os.stat(shard)
    return shard, state.st_size, state.st_mtime_ns


@lru_cache(maxsize=4096)
def _remote_version(shard: str) -> tuple[str, int, int]:
    with open_file(shard) as file:
        return shard, file.seek(0, io.SEEK_END), 0


@lru_cache(maxsize=4096)
def _index(shard: str, size: int, _modified: int) -> dict[str, Extent]:
    """The index beside the shard, if it may be one of it, else a walk."""
    beside = index_path(shard)
    if exists(beside):
        with open_file(beside) as file:
            saved = read_saved(file.read(), size)
        if saved is not None:
            return saved
        logger.warning("%s is damaged or of another shard; the shard is read instead", beside)
    return _walk(shard)


def _walk_again(shard: str, why: str) -> dict[str, Extent]:
    """The index of a shard whose index file is wrong, from its headers; walked and said once."""
    with foreign_errors(shard):
        version = _version(shard)
        if version not in _walked:
            if exists(index_path(shard)):
                logger.warning(
                    "%s is stale (it %s); the shard is read instead: write it again with "
                    "timesformer shards, or delete the index",
                    index_path(shard),
                    why,
                )
            _walked[version] = _walk(shard)
        return _walked[version]


def _walk(shard: str) -> dict[str, Extent]:
    try:
        with open_file(shard, block=HEADER_BLOCK) as file:
            return walk_tar(file)
    except tarfile.TarError as error:
        raise SourceError(
            f"{shard}: not an uncompressed tar ({error}); make it with timesformer shards"
        ) from error


def _lies_in(extent: Extent, size: int) -> bool:
    whole = all(type(number) is int for number in extent)
    return whole and extent.offset >= TAR_BLOCK and 0 <= extent.size <= size - extent.offset
