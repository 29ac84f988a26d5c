"""Folders of ``torch.distributed.checkpoint``, read by one process; code in them is never run.

PyTorch opens their ``.metadata`` with an unrestricted pickle, and entries that are no tensors too. So
the first is read here, by a reader that knows the classes of such files alone, and of the rest PyTorch
reads the tensors. What else our checkpoints hold is in ``plain.pyth``.
"""

import enum
import pickle
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:  # else where it is needed: half a second
    from torch.distributed.checkpoint.metadata import Metadata

METADATA = ".metadata"
PLAIN = "plain.pyth"
"""All entries of a checkpoint of ours but the tensors of weights and optimizer; and ``parts``."""

_METADATA = "torch.distributed.checkpoint.metadata"
_KNOWN = {
    *((_METADATA, name) for name in (
        "Metadata", "MetadataIndex", "TensorStorageMetadata", "BytesStorageMetadata",
        "ChunkStorageMetadata", "TensorProperties", "StorageMeta", "_MEM_FORMAT_ENCODING",
    )),
    ("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
    ("torch", "Size"),
    ("torch.serialization", "_get_layout"),
    *((module, f"{system}Path") for module in ("pathlib", "pathlib._local")
      for system in ("Posix", "Windows")),
}  # fmt: skip


def is_sharded(path: Path) -> bool:
    """Whether ``path`` is such a folder."""
    return (path / METADATA).is_file()


def read_sharded(folder: Path) -> dict[str, Any]:
    """The tensors, whole, nested as they were written, and what ``plain.pyth`` holds, if it is there.

    Raises:
        pickle.UnpicklingError: code in the metadata.
        OSError, ValueError, RuntimeError: parts are missing, truncated, or something else.
    """
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata

    metadata = _read_metadata(folder)
    tensors = {
        key: torch.empty(entry.size, dtype=entry.properties.dtype)
        for key, entry in metadata.state_dict_metadata.items()
        if isinstance(entry, TensorStorageMetadata)
    }
    reader, planner = dcp.FileSystemReader(folder), dcp.DefaultLoadPlanner(flatten_state_dict=False)
    reader.set_up_storage_reader(metadata, True)
    planner.set_up_planner(tensors, metadata, True)
    reader.read_data(
        planner.create_local_plan(), planner
    ).wait()  # as dcp.load does, by one process
    tree: dict[str, Any] = {}
    paths = metadata.planner_data or {}
    for key, value in tensors.items():
        *outer, last = paths.get(key, (key,))
        inner = tree
        for name in outer:
            inner = inner.setdefault(name, {})
        inner[last] = value
    if not (folder / PLAIN).is_file():  # not one of ours
        return tree
    plain = read_plain(folder)
    del plain["parts"]
    for i, state in tree.get("optimizer_state", {}).items():
        plain["optimizer_state"]["state"].setdefault(int(i), {}).update(state)
    return {**plain, "model_state": tree["model_state"]}


def read_plain(folder: Path) -> dict[str, Any]:
    """What ``plain.pyth`` holds.

    Raises:
        OSError, pickle.UnpicklingError, RuntimeError: it is missing or no such file.
    """
    return torch.load(folder / PLAIN, map_location="cpu", weights_only=True)


def damage(folder: Path) -> str:
    """What is wrong with a folder of ours; empty if every file has its size and checksum."""
    for name, expected in read_plain(folder)["parts"].items():
        if not (folder / name).is_file():
            return f"its {name} is missing"
        if checksum(folder / name) != tuple(expected):
            return f"its {name} does not have its size and checksum"
    return ""


def checksum(path: Path) -> tuple[int, int]:
    """Size and CRC-32 of a file."""
    size = crc = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            size, crc = size + len(piece), zlib.crc32(piece, crc)
    return size, crc


class _KnownOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return _member
        is_type = module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)
        if not is_type and (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"unsupported class {module}.{name}")
        return super().find_class(module, name)


def _member(kind: Any, name: str) -> enum.Enum:
    """In place of ``getattr``, by which some releases of Python 3.11 pickle members of enumerations."""
    if not isinstance(kind, enum.EnumMeta):
        raise pickle.UnpicklingError("unsupported class builtins.getattr")
    member: enum.Enum = kind[name]
    return member


def _read_metadata(folder: Path) -> "Metadata":
    from torch.distributed.checkpoint.metadata import Metadata

    with (folder / METADATA).open("rb") as file:
        found = _KnownOnly(file).load()
    if not isinstance(found, Metadata):
        raise pickle.UnpicklingError(f"{METADATA} holds a {type(found).__name__}")
    for part in (found.storage_data or {}).values():
        if Path(part.relative_path).name != part.relative_path:
            raise ValueError(f"{METADATA} names a file outside the folder, {part.relative_path}")
    return found
