"""Folders of ``torch.distributed.checkpoint``, read by one process; code in them is never run.

PyTorch opens their ``.metadata`` with an unrestricted pickle, and entries that are no tensors too. So
the first is read here, by a reader that makes stand-ins only, from which the metadata are made anew; and
of the rest PyTorch reads the tensors. What else our checkpoints hold is in ``plain.pyth``.
"""

import contextlib
import io
import os
import pickle
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from timesformer.checkpoint.formats.pickles import InertUnpickler, Unknown
from timesformer.checkpoint.formats.torch_file import TORCH, read_torch
from timesformer.checkpoint.formats.torch_tensors import CONSTANTS

if TYPE_CHECKING:  # else where it is needed: half a second
    from torch.distributed.checkpoint.filesystem import _StorageInfo
    from torch.distributed.checkpoint.metadata import (
        BytesStorageMetadata,
        Metadata,
        MetadataIndex,
        TensorStorageMetadata,
    )

METADATA = ".metadata"
PLAIN = "plain.pyth"
"""All entries of a checkpoint of ours but the tensors of weights and optimizer; and ``parts``."""

_METADATA = "torch.distributed.checkpoint.metadata"


def is_sharded(path: Path) -> bool:
    """Whether ``path`` is such a folder."""
    return (path / METADATA).is_file()


def read_sharded(folder: Path, *, is_ours: bool = False) -> dict[str, Any]:
    """The tensors, whole, nested as they were written, and what ``plain.pyth`` holds, if it is there.

    Each file is read once. Those of our folders are compared with their sizes and checksums; with
    ``is_ours`` a folder without ``plain.pyth`` is an error.

    Raises:
        pickle.UnpicklingError: code in the metadata.
        OSError, ValueError, RuntimeError: parts are missing, truncated, damaged, or something else.
    """
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata

    plain = read_plain(folder) if is_ours or (folder / PLAIN).is_file() else None
    parts = _Parts(folder, plain["parts"] if plain else {})
    metadata = _read_metadata(parts)
    tensors = {
        key: torch.empty(entry.size, dtype=entry.properties.dtype)
        for key, entry in metadata.state_dict_metadata.items()
        if isinstance(entry, TensorStorageMetadata)
    }
    reader, planner = dcp.FileSystemReader(folder), dcp.DefaultLoadPlanner(flatten_state_dict=False)
    reader.fs.create_stream = parts.create_stream  # type: ignore[method-assign]
    reader.set_up_storage_reader(metadata, True)
    planner.set_up_planner(tensors, metadata, True)
    plan = planner.create_local_plan()  # as dcp.load does, by one process
    reader.read_data(plan, planner).wait()
    parts.verify_others()
    tree: dict[str, Any] = {}
    paths = metadata.planner_data or {}
    for key, value in tensors.items():
        *outer, last = paths.get(key, (key,))
        inner = tree
        for name in outer:
            inner = inner.setdefault(name, {})
        inner[last] = value
    if plain is None:  # not one of ours
        return tree
    del plain["parts"]
    for i, state in tree.get("optimizer_state", {}).items():
        plain["optimizer_state"]["state"].setdefault(int(i), {}).update(state)
    return {**plain, "model_state": tree["model_state"]}


def read_plain(folder: Path) -> dict[str, Any]:
    """What ``plain.pyth`` holds.

    Raises:
        OSError, pickle.UnpicklingError, RuntimeError: it is missing or no such file.
    """
    found = read_torch(folder / PLAIN)
    if not isinstance(found, dict) or not isinstance(found.get("parts"), dict):
        raise pickle.UnpicklingError(f"{PLAIN} does not say what its parts are")
    return found


class _Parts:
    """The files of a folder, each read once and compared with its size and checksum."""

    def __init__(self, folder: Path, expected: dict[str, Any]) -> None:
        """``expected``: size and CRC-32 by name; files without them are not compared."""
        self.folder = folder
        self._left = dict(expected)
        self._damage = ""

    def read_metadata(self) -> bytes:
        """All of ``.metadata``; damage is an error of ``verify_others``, so that code is named first."""
        try:
            return self.read(METADATA)
        except ValueError as error:
            self._damage = str(error)
            return (self.folder / METADATA).read_bytes()

    def read(self, name: str) -> bytes:
        """All of a file.

        Raises:
            ValueError: it is missing or damaged.
        """
        expected = self._left.pop(name, None)
        path = self.folder / name
        if expected is not None and not path.is_file():
            raise ValueError(f"its {name} is missing")
        content = path.read_bytes()
        if expected is not None and (len(content), zlib.crc32(content)) != tuple(expected):
            raise ValueError(f"its {name} does not have its size and checksum")
        return content

    @contextlib.contextmanager
    def create_stream(self, path: str | os.PathLike[str], _mode: str) -> Iterator[io.IOBase]:
        """As that of PyTorch's file system, for reading."""
        yield io.BytesIO(self.read(Path(path).name))

    def verify_others(self) -> None:
        """Read the files that were not read yet, and raise what is wrong with the metadata."""
        if self._damage:
            raise ValueError(self._damage)
        for name in list(self._left):
            self.read(name)


def checksum(path: Path) -> tuple[int, int]:
    """Size and CRC-32 of a file."""
    size = crc = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            size, crc = size + len(piece), zlib.crc32(piece, crc)
    return size, crc


def _read_metadata(parts: _Parts) -> "Metadata":
    """The metadata, made anew from a stand-in of it: only what reading the tensors needs."""
    from torch.distributed.checkpoint.metadata import Metadata

    found = InertUnpickler(io.BytesIO(parts.read_metadata()), TORCH, CONSTANTS).load()
    fields = _fields(found, f"{_METADATA}.Metadata")
    planner, storage = fields.get("planner_data") or {}, fields.get("storage_data") or {}
    return Metadata(
        {str(key): _entry(value) for key, value in _mapping(fields["state_dict_metadata"]).items()},
        {str(key): _path(value) for key, value in _mapping(planner).items()},
        dict(_stored(*pair) for pair in _mapping(storage).items()),
    )


def _entry(found: Any) -> "TensorStorageMetadata | BytesStorageMetadata":
    from torch.distributed.checkpoint import metadata as made

    if isinstance(found, Unknown) and found.name == f"{_METADATA}.BytesStorageMetadata":
        return made.BytesStorageMetadata()
    fields = _fields(found, f"{_METADATA}.TensorStorageMetadata")
    properties = _properties(fields["properties"])
    if not isinstance(properties, torch.dtype):
        raise ValueError("a tensor without a type")
    chunks = [_fields(chunk, f"{_METADATA}.ChunkStorageMetadata") for chunk in fields["chunks"]]
    if sum(_sizes(chunk["sizes"]).numel() for chunk in chunks) != _sizes(fields["size"]).numel():
        raise ValueError("the parts of a tensor are not the whole of it")
    return made.TensorStorageMetadata(
        made.TensorProperties(dtype=properties),
        _sizes(fields["size"]),
        [made.ChunkStorageMetadata(_sizes(c["offsets"]), _sizes(c["sizes"])) for c in chunks],
    )


def _properties(found: Any) -> Any:
    """The type of numbers: the first of a tuple, or by its name."""
    if isinstance(found, Unknown) and isinstance(found.state, tuple):
        return found.state[0]
    return _fields(found, f"{_METADATA}.TensorProperties")["dtype"]


def _stored(index: Any, info: Any) -> "tuple[MetadataIndex, _StorageInfo]":
    """Where a part of a tensor lies."""
    from torch.distributed.checkpoint.filesystem import _StorageInfo
    from torch.distributed.checkpoint.metadata import MetadataIndex

    name = _fields(index, f"{_METADATA}.MetadataIndex")
    place = _fields(info, "torch.distributed.checkpoint.filesystem._StorageInfo")
    file, start, length = place["relative_path"], place["offset"], place["length"]
    if not isinstance(file, str) or Path(file).name != file:
        raise ValueError(f"{METADATA} names a file outside the folder, {file}")
    if place.get("transform_descriptors"):
        raise ValueError(f"{METADATA} names a compression, {place['transform_descriptors']}")
    if not all(type(number) is int and number >= 0 for number in (start, length)):
        raise ValueError("a part of a tensor is at no place")
    offset = name.get("offset")
    where = MetadataIndex(
        str(name["fqn"]), None if offset is None else _sizes(offset), name.get("index")
    )
    return where, _StorageInfo(file, start, length)


def _path(found: Any) -> tuple[str | int, ...]:
    """The names under which a tensor was nested."""
    if not isinstance(found, tuple) or not all(isinstance(part, str | int) for part in found):
        refused = next(
            (part.name for part in [found] if isinstance(part, Unknown)), "of its planner"
        )
        raise pickle.UnpicklingError(f"unsupported class {refused}")
    return found


def _fields(found: Any, name: str) -> dict[Any, Any]:
    """The fields of what stands for an object of the class ``name``.

    Raises:
        pickle.UnpicklingError: it is of another class.
    """
    if not isinstance(found, Unknown):
        raise pickle.UnpicklingError(f"{METADATA} holds a {type(found).__name__}")
    if found.name != name or found.args is None:
        raise pickle.UnpicklingError(f"unsupported class {found.name}")
    return _mapping(found.state)


def _mapping(found: Any) -> dict[Any, Any]:
    if not isinstance(found, dict):
        raise pickle.UnpicklingError(f"{METADATA} holds a {type(found).__name__}, not a dictionary")
    return found


def _sizes(found: Any) -> torch.Size:
    if not isinstance(found, torch.Size) or min(found, default=0) < 0:
        raise ValueError("a tensor of no size")
    return found
