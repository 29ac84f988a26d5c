"""Members of tar shards, read in place: where they lie, and each as a file of its own.

A shard's index (member -> offset, size) is read from ``<shard>.index.json``, which
``tools/make_shards.py`` writes, else made by walking the tar headers; each process keeps the indices
that it has used.
"""

import io
import json
import os
import re
import tarfile
from functools import lru_cache
from pathlib import Path
from typing import IO, NamedTuple

from timesformer.video.remote import SourceError, exists, foreign_errors, is_url, open_file

HEADER_BLOCK = 2**16  # bytes of one remote request while walking tar headers

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
        raise SourceError(
            f"{shard} has no member {member!r} ({len(index)} others); check the list, or write the "
            "shard again"
        )
    return index[member]


def tar_index(shard: str) -> dict[str, Extent]:
    """Where the members of a tar lie, by name; later members of the same name win, as in tar.

    Raises:
        SourceError: the file is no uncompressed tar, or cannot be read.
    """
    with foreign_errors(shard):
        if is_url(shard):
            return _remote_index(shard)
        state = os.stat(shard)
        return _local_index(shard, state.st_size, state.st_mtime_ns)


def index_path(shard: str | Path) -> str:
    """The file beside a shard that holds its index."""
    return f"{shard}.index.json"


def walk_tar(file: IO[bytes]) -> dict[str, Extent]:
    """The index of an open tar, from its headers."""
    with tarfile.open(fileobj=file, mode="r:") as tar:
        return {m.name: Extent(m.offset_data, m.size) for m in tar if m.isreg()}


@lru_cache(maxsize=4096)
def _local_index(shard: str, size: int, _modified: int) -> dict[str, Extent]:
    return _read_index(shard, size)


@lru_cache(maxsize=4096)
def _remote_index(shard: str) -> dict[str, Extent]:
    return _read_index(shard, _size(shard))


def _read_index(shard: str, size: int) -> dict[str, Extent]:
    """The index beside the shard, if it was made for a shard of this size, else a walk."""
    beside = index_path(shard)
    if exists(beside):
        with open_file(beside) as file:
            saved = json.loads(file.read())
        if saved["bytes"] == size:
            return {name: Extent(*extent) for name, extent in saved["members"].items()}
    try:
        with open_file(shard, block=HEADER_BLOCK) as file:
            return walk_tar(file)
    except tarfile.TarError as error:
        raise SourceError(
            f"{shard}: not an uncompressed tar ({error}); make it with tools/make_shards.py"
        ) from error


def _size(url: str) -> int:
    with open_file(url) as file:
        return file.seek(0, io.SEEK_END)
