r"""Where videos lie: local files, URLs, and members of tar shards, all read by stream.

    /data/a.mp4   C:\data\a.mp4                          a local file
    s3://bucket/a.mp4   http://host/a.mp4              an fsspec URL
    shards/shard-000001.tar::000123.mp4                a member of a local tar
    s3://bucket/shard-000001.tar::000123.mp4           a member of a remote tar

Nothing is extracted or downloaded to disk.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

from timesformer.io.opening import local_url
from timesformer.io.timelimit import map_in_threads
from timesformer.video.remote import exists, foreign_errors, is_url, open_file
from timesformer.video.shards import find_member, members_of, open_member, split_member

CHECK_SECONDS = 60.0  # that a server may take for one of them
CHECKS_AT_ONCE = 32  # existence checks of remote objects wait for the network, not for a core

R = TypeVar("R")


def is_local_file(path: str | Path) -> bool:
    """Whether ``path`` is neither a URL nor a tar member."""
    return not is_url(path) and not split_member(path)[1]


@contextmanager
def open_source(path: str | Path) -> "Iterator[str | IO[bytes]]":
    """What decoders take: the ``local_url`` of a local file, else a seekable binary file.

    Raises:
        FileNotFoundError: no such local file.
        SourceError: no regular file, no such object or member, no such protocol or its package is
            not installed, the server gives no byte ranges, or the network fails.
    """
    if is_local_file(path):
        yield local_url(path)
        return
    with foreign_errors(path), open_binary(path) as file:
        yield file


@contextmanager
def open_binary(path: str | Path) -> "Iterator[IO[bytes]]":
    """A seekable binary file of any place; the errors of ``open_source``."""
    shard, member = split_member(path)
    with foreign_errors(path):
        if member:
            with open_member(shard, member) as window:
                yield window  # type: ignore[misc]
        else:
            with open_file(shard) as file:
                yield file


def size_of(path: str | Path) -> int:
    """Bytes of a file, object or member."""
    shard, member = split_member(path)
    with foreign_errors(path):
        if member:
            return find_member(shard, member).size
        if not is_url(shard):
            return os.path.getsize(shard)
        with open_file(shard) as file:
            return file.seek(0, os.SEEK_END)


def missing(paths: Iterable[str]) -> list[int]:
    """Which of ``paths`` do not exist, their positions in order.

    Remote objects are asked for in parallel; of a shard only the index is read.

    Raises:
        SourceError: a protocol that is unknown or whose package is not installed, or no tar.
    """
    absent: list[int] = []
    remote: list[tuple[int, str]] = []
    shards: dict[str, list[tuple[int, str]]] = {}
    for i, path in enumerate(paths):
        shard, member = split_member(path)
        if member:
            shards.setdefault(shard, []).append((i, member))
        elif is_url(path):
            remote.append((i, path))
        elif not os.path.exists(path):
            absent.append(i)

    def ask(function: Callable[[str], R], names: Sequence[str]) -> list[R]:
        return map_in_threads(function, names, seconds=CHECK_SECONDS, at_once=CHECKS_AT_ONCE)

    found = ask(exists, [path for _, path in remote])
    absent += [i for (i, _), there in zip(remote, found, strict=True) if not there]
    names = {shard: {member for _, member in members} for shard, members in shards.items()}
    gone = ask(lambda shard: _absent(shard, names[shard]), list(names))
    for members, without in zip(shards.values(), gone, strict=True):
        absent += [i for i, member in members if member in without]
    return sorted(absent)


def _absent(shard: str, members: set[str]) -> set[str]:
    """Which of ``members`` a shard does not have."""
    try:
        return members - members_of(shard, members)
    except FileNotFoundError:
        return members
