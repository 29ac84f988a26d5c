"""Files and folders of weights to their content, from any program; code in them is never run."""

import errno
import json
import os
import re
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from timesformer.checkpoint import hub
from timesformer.checkpoint.explain import explain
from timesformer.checkpoint.formats import paddle, sharded
from timesformer.checkpoint.formats.pickles import read_pickle
from timesformer.checkpoint.formats.torch_file import TORCH, is_torch_file, read_torch
from timesformer.checkpoint.formats.torch_tensors import CONSTANTS
from timesformer.checkpoint.hub import IN_FOLDER
from timesformer.errors import InputError
from timesformer.io.terminal import first_line, printable

ABOUT = "timesformer"
"""Entry of a safetensors file's metadata that holds our description as JSON."""

_REFUSED = re.compile(r"(?:[Uu]nsupported (?:global: )?GLOBAL|[Uu]nsupported class) ([\w.]+)")
_HEAD = 64  # bytes
_MOST_JSON = 1 << 26  # bytes of an index; the largest ones have 1 MiB

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_OF_CONTENT = (errno.EINVAL, errno.EOVERFLOW, errno.ENOENT, errno.ENOTDIR, errno.EISDIR)
_NO_MEMORY = re.compile(r"can't allocate memory|not enough memory|Cannot allocate memory")


class CheckpointError(InputError, ValueError):
    """A file that cannot give a model its weights; the message names file, reason and remedy."""


class UnreadableError(CheckpointError):
    """A file that the system does not give: permission, a failing disk, too little memory.

    Nothing is known of its content then, so it must not be taken for damaged.
    """


class Checkpoint(NamedTuple):
    """A checkpoint of a run: where it is, and its entries."""

    path: Path
    entries: dict[str, Any]

    @classmethod
    def read(cls, path: str | Path) -> "Checkpoint":
        """Of a file of any format.

        Raises:
            CheckpointError: see ``read_file``.
        """
        entries = read_file(path)
        return cls(Path(path), entries if isinstance(entries, dict) else {})


def weights_path(path: str | Path) -> Path:
    """The file to read for ``path``: itself, or of a folder the one that Hugging Face names.

    A folder of ``torch.distributed.checkpoint`` is itself what is read. A name of the Hugging Face hub
    is the folder in its cache, see ``hub``.

    Raises:
        CheckpointError: there is no such file.
    """
    try:
        return _find_file(hub.local_folder(path) if hub.is_name(path) else Path(path))
    except hub.HubError as error:
        raise CheckpointError(str(error)) from error
    except OSError as error:
        raise UnreadableError(_not_given(Path(path), error)) from error


def _find_file(path: Path) -> Path:
    if sharded.is_sharded(path):
        return path
    if path.is_dir():
        found = next((path / name for name in IN_FOLDER if (path / name).is_file()), None)
        if found is None:
            raise CheckpointError(
                f"folder {printable(path)} holds no weights ({', '.join(IN_FOLDER)}); name the file "
                "itself"
            )
        return found
    if not path.exists():
        if path.is_symlink():
            raise CheckpointError(
                f"checkpoint {printable(path)} is a link to {printable(os.readlink(path))}, which does "
                "not exist; correct the link"
            )
        raise CheckpointError(f"checkpoint {printable(path)} does not exist; check the path")
    if not path.is_file():
        mode = path.stat().st_mode
        kind = next((what for test, what in _KINDS if test(mode)), "of another kind")
        raise CheckpointError(
            f"checkpoint {printable(path)} is not a file, but {kind}; name a file of weights"
        )
    return path


def read_file(path: str | Path, *, mmap: bool = False) -> Any:
    """The content of a weights file, on the CPU; code in a pickle is refused, never run.

    PyTorch files, safetensors (with our description in its metadata: as a checkpoint), shards by
    their index, Paddle's pickles of arrays, and folders of Hugging Face and of
    ``torch.distributed.checkpoint``. With ``mmap`` the tensors of PyTorch files stay in the file
    until they are used; the file must not change.

    Raises:
        CheckpointError: no such file, truncated, code in it, or something else altogether.
    """
    path = weights_path(path)
    return _reading(path, lambda: _read(path, mmap=mmap))


def _reading(path: Path, read: Callable[[], Any]) -> Any:
    """What ``read`` gives, with one error for all that parsers raise."""
    try:
        return read()
    except CheckpointError:
        raise
    except Exception as error:  # parsers raise any kind of error
        system = isinstance(error, OSError) and error.errno not in (None, *_OF_CONTENT)
        if system or isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
            raise UnreadableError(_not_given(path, error)) from error
        if refused := _REFUSED.search(str(error)):
            raise CheckpointError(
                f"checkpoint {printable(path)} cannot be read: it holds {printable(refused[1][:80])}, "
                "and code in a file is never run; where you trust it, save its weights alone: "
                "torch.save(model.state_dict(), FILE)"
            ) from error
        raise CheckpointError(explain(path, error)) from error


def _not_given(path: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or "there is too little memory for it"
    return (
        f"checkpoint {printable(path)} cannot be read: {reason}. Nothing is known of its content; "
        "correct that and give the same command again"
    )


def read_config(path: str | Path, name: str) -> dict[str, Any]:
    """A JSON file beside the weights, as Hugging Face writes them; empty without one.

    Raises:
        CheckpointError: it is not JSON.
    """
    beside = weights_path(path).with_name(name)
    if not beside.is_file():
        return {}
    try:
        found = json.loads(_text(beside))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{printable(beside)} is not JSON ({first_line(error)}); copy it again"
        ) from error
    except OSError as error:
        raise UnreadableError(_not_given(beside, error)) from error
    return found if isinstance(found, dict) else {}


def read_safetensors_metadata(path: str | Path) -> dict[str, str]:
    """The metadata of a safetensors file, without our description; empty for other files."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights_path(path), framework="pt") as file:
            said = file.metadata() or {}
    except (SafetensorError, CheckpointError, OSError):  # OSError: a sharded folder
        return {}
    return {key: text for key, text in said.items() if key not in (ABOUT, "format")}


def read_checkpoint(path: Path, *, entries_only: bool = False) -> dict[str, Any]:
    """A checkpoint of ours, read once, every record compared with its checksum.

    With ``entries_only`` a small part of it is read: tensors of weights and optimizer have no values,
    or are left out.

    Raises:
        UnreadableError: the system does not give it.
        CheckpointError: it is damaged, or not a checkpoint.
    """
    read: Callable[[Path], Any]
    if path.is_dir():
        whole = partial(sharded.read_sharded, is_ours=True)
        read = sharded.read_plain if entries_only else whole
    else:
        read = partial(read_torch, meta=entries_only, verify=not entries_only)
    found = _reading(path, lambda: read(_find_file(path)))
    if not isinstance(found, dict):
        raise CheckpointError(f"{printable(path)} holds a {type(found).__name__}, not a checkpoint")
    return found


def num_bytes(path: Path) -> int:
    """Of a file, or of all files of a folder."""
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def _read(path: Path, *, mmap: bool = False) -> Any:
    if path.is_dir():
        return sharded.read_sharded(path)
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 27:
        return _read_safetensors(path)
    if head.lstrip().startswith(b"{"):
        return _read_shards(path)
    if is_torch_file(path):
        return read_torch(path, mmap=mmap)
    return paddle.from_pickle(read_pickle(path.read_bytes(), TORCH, CONSTANTS))


def _read_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no mapping
        about = json.loads((file.metadata() or {}).get(ABOUT, "{}"))
    return {"model_state": state, **about} if about else state


def _read_shards(index: Path) -> dict[str, Tensor]:
    """The tensors of all files that an index names, which lie beside it."""
    listed = json.loads(_text(index))
    if not isinstance(listed, dict) or not isinstance(listed.get("weight_map"), dict):
        raise CheckpointError(f"{index} is JSON, but no index of shards; name the weights file")
    names = sorted(set(map(str, listed["weight_map"].values())))
    if outside := [name for name in names if Path(name).name != name or name.endswith(".json")]:
        raise CheckpointError(
            f"{printable(index)} names {printable(outside[0])}, which is not a file of weights beside it"
        )
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{index} names {len(names)} files, of which {', '.join(missing[:4])} "
            f"{'is' if len(missing) == 1 else 'are'} not beside it; copy them there"
        )
    state: dict[str, Tensor] = {}
    for name in names:
        part = _reading(index.parent / name, partial(_read, index.parent / name))
        state |= part if isinstance(part, dict) else {}
    lost = sorted(listed["weight_map"].keys() - state.keys())
    if lost:
        raise CheckpointError(f"{index} names tensors that its files lack: {', '.join(lost[:4])}")
    return state


def _text(path: Path) -> str:
    """Of a JSON file, if it is of a usual size."""
    if path.stat().st_size > _MOST_JSON:
        raise CheckpointError(f"{printable(path)} is JSON of {path.stat().st_size} bytes, no index")
    return path.read_text(encoding="utf-8")
