"""Tar shards of the WebDataset layout: videos with their labels and origins, and the index of each.

shard-000000.tar              members 000000.mp4 000000.cls 000000.json, ...
shard-000000.tar.index.json   where they lie
"""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import urlsplit

from timesformer.files import atomic_path, remove_temporaries, write_atomically
from timesformer.video import remote, shards, sources

HEADERS = 5 * shards.TAR_BLOCK  # three headers, and the blocks of .cls and .json

Progress = Callable[[int], object]  # takes a number of bytes


class Item(NamedTuple):
    """Video ``number`` of a list."""

    number: int
    path: str
    label: int
    size: int  # bytes

    @property
    def member(self) -> str:
        """Name in the shard; WebDataset takes what precedes the first dot as the key."""
        path = urlsplit(self.path).path if remote.is_url(self.path) else self.path
        suffix = Path(shards.split_member(path)[1] or path).suffix.lower()
        return f"{self.number:06d}{suffix if re.fullmatch(r'[.][a-z0-9]+', suffix) else '.bin'}"


class Shard(NamedTuple):
    """A tar to write, and what it will hold."""

    path: Path
    items: list[Item]


def is_complete(shard: Shard) -> bool:
    """Whether an earlier run wrote the shard to its end."""
    return saved_index(shard.path) is not None


def saved_index(path: str | Path) -> dict[str, shards.Extent] | None:
    """What the index file of a shard says; None if shard or index is absent or another's."""
    index = Path(shards.index_path(path))
    if not Path(path).exists() or not index.exists():
        return None
    return shards.read_saved(index.read_bytes(), Path(path).stat().st_size)


def write_shard(shard: Shard, progress: Progress) -> None:
    """Write the tar and then its index, whole or not at all.

    Raises:
        WriteError, OSError: the tar cannot be written, or a video not read.
    """
    remove_temporaries(shard.path.parent, shard.path.name)
    with atomic_path(shard.path, option="--out") as partial:
        _fill(partial, shard.items, progress)
        with open(partial, "rb") as file:
            members = shards.walk_tar(file)
    index = {"bytes": shard.path.stat().st_size, "members": members}
    with write_atomically(shards.index_path(shard.path), option="--out") as file:
        file.write(json.dumps(index))


def _fill(partial: Path, items: Sequence[Item], progress: Progress) -> None:
    """The tar of ``items``: of each the video, its label and its origin."""
    with tarfile.open(partial, "w") as tar:
        for item in items:
            key = item.member.split(".")[0]
            with sources.open_binary(item.path) as file:
                digest = _Digest(file, progress)
                tar.addfile(_header(item.member, item.size), digest)  # type: ignore[arg-type]
            facts = {"path": item.path, "label": item.label, "sha256": digest.sha.hexdigest()}
            for suffix, text in (("cls", str(item.label)), ("json", json.dumps(facts))):
                data = text.encode()
                tar.addfile(_header(f"{key}.{suffix}", len(data)), io.BytesIO(data))


def _header(name: str, size: int) -> tarfile.TarInfo:
    """Without times and users, so that the same videos give the same bytes."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info


class _Digest:
    """A file that is read once, forwards, and hashed on the way."""

    def __init__(self, file: IO[bytes], progress: Progress) -> None:
        self.file, self.progress, self.sha = file, progress, hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self.file.read(size)
        self.sha.update(data)
        self.progress(len(data))
        return data
