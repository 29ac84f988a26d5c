"""Files and folders of weights to their content, whatever wrote them; code in them is never run."""

import json
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from timesformer.errors import InputError
from timesformer.formats import paddle, sharded

ABOUT = "timesformer"
"""Entry of a safetensors file's metadata that holds our description as JSON."""

_REFUSED = re.compile(r"(?:[Uu]nsupported (?:global: )?GLOBAL|[Uu]nsupported class) ([\w.]+)")
_TORCH_LEGACY = bytes.fromhex("6cfc9c46f9206aa850")  # the number that such pickles begin with
_IN_FOLDER = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_NO_WEIGHTS = (
    (b"version https://git-lfs", "a pointer of Git LFS: fetch the file itself with `git lfs pull`"),
    (b"<!doctype html", "a web page: download the file again"),
    (b"<html", "a web page: download the file again"),
)


class CheckpointError(InputError, ValueError):
    """A file that cannot give a model its weights; the message names file, reason and remedy."""


def weights_path(path: str | Path) -> Path:
    """The file to read for ``path``: itself, or of a folder the one that Hugging Face names.

    A folder of ``torch.distributed.checkpoint`` is itself what is read.

    Raises:
        CheckpointError: there is no such file.
    """
    path = Path(path)
    if sharded.is_sharded(path):
        return path
    if path.is_dir():
        found = next((path / name for name in _IN_FOLDER if (path / name).is_file()), None)
        if found is None:
            raise CheckpointError(
                f"folder {path} holds no weights ({', '.join(_IN_FOLDER)}); name the file itself"
            )
        return found
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} does not exist; check the path")
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
    try:
        return _read(path, mmap=mmap)
    except CheckpointError:
        raise
    except Exception as error:  # parsers raise whatever they like
        if refused := _REFUSED.search(str(error)):
            raise CheckpointError(
                f"checkpoint {path} cannot be read: it holds {refused[1]}, and code in a file is never "
                "run; where you trust it, save its weights alone: torch.save(model.state_dict(), FILE)"
            ) from error
        raise CheckpointError(_explain(path, error)) from error


def read_config(path: str | Path, name: str) -> dict[str, Any]:
    """A JSON file beside the weights, as Hugging Face writes them; empty without one.

    Raises:
        CheckpointError: it is not JSON.
    """
    beside = weights_path(path).with_name(name)
    if not beside.is_file():
        return {}
    try:
        found = json.loads(beside.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{beside} is no JSON ({error}); copy it again") from error
    return found if isinstance(found, dict) else {}


def read_metadata(path: str | Path) -> dict[str, str]:
    """What a safetensors file says of itself, but for our description; empty for other files."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights_path(path), framework="pt") as file:
            said = file.metadata() or {}
    except (SafetensorError, CheckpointError, OSError):  # OSError: a sharded folder
        return {}
    return {key: text for key, text in said.items() if key not in (ABOUT, "format")}


def first_line(error: Exception) -> str:
    """The beginning of a message that may be long."""
    return str(error).strip().partition("\n")[0][:160]


def read_entries(path: Path) -> dict[str, Any]:
    """What a checkpoint of ours says; tensors of weights and optimizer have no values, or are left out."""
    if path.is_dir():
        return sharded.read_plain(path)
    return torch.load(path, map_location="meta", weights_only=True)


def num_bytes(path: Path) -> int:
    """Of a file, or of all files of a folder."""
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def _read(path: Path, *, mmap: bool = False) -> Any:
    if path.is_dir():
        return sharded.read_sharded(path)
    with path.open("rb") as file:
        head = file.read(64)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 27:
        return _read_safetensors(path)
    if head.lstrip().startswith(b"{"):
        return _read_shards(path)
    if head.startswith(b"\x80") and _TORCH_LEGACY not in head:
        return paddle.read_pickle(path.read_bytes())
    mmap = mmap and zipfile.is_zipfile(path)  # files of PyTorch before 1.6 are none
    return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)


def _read_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no mapping
        about = json.loads((file.metadata() or {}).get(ABOUT, "{}"))
    return {"model_state": state, **about} if about else state


def _read_shards(index: Path) -> dict[str, Tensor]:
    """The tensors of all files that an index names, which lie beside it."""
    listed = json.loads(index.read_text(encoding="utf-8"))
    if not isinstance(listed, dict) or not isinstance(listed.get("weight_map"), dict):
        raise CheckpointError(f"{index} is JSON, but no index of shards; name the weights file")
    names = sorted(set(listed["weight_map"].values()))
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{index} names {len(names)} files, of which {', '.join(missing[:4])} "
            f"{'is' if len(missing) == 1 else 'are'} not beside it; copy them there"
        )
    state: dict[str, Tensor] = {}
    for name in names:
        state |= _read(index.parent / name)
    lost = sorted(listed["weight_map"].keys() - state.keys())
    if lost:
        raise CheckpointError(f"{index} names tensors that its files lack: {', '.join(lost[:4])}")
    return state


def _explain(path: Path, error: Exception) -> str:
    if path.is_dir():
        return (
            f"sharded checkpoint {path} cannot be read ({type(error).__name__}: "
            f"{first_line(error)}); it is not whole: copy the folder again"
        )
    with path.open("rb") as file:
        head = file.read(256).lstrip().lower()
    for start, what in _NO_WEIGHTS:
        if head.startswith(start):
            return f"checkpoint {path} is no weights file, but {what}"
    if video := _video(path):
        return (
            f"checkpoint {path} is no weights file, but {video}; weights are wanted here, as .pyth, .pt "
            "or .safetensors"
        )
    reason = f"{type(error).__name__}: {first_line(error)}"
    if isinstance(error, pickle.UnpicklingError):  # PyTorch's text is about loading it unsafely
        reason = "no pickle of tensors"
    return (
        f"checkpoint {path} cannot be read ({path.stat().st_size} bytes, {reason}); it is truncated "
        "or no PyTorch file: copy it again"
    )


def _video(path: Path) -> str:
    """What a video or picture is, in words; empty for anything else."""
    import av

    from timesformer.opening import local_url, open_media

    try:
        with open_media(local_url(path), name=path) as container:
            stream = container.streams.video[0]
            next(container.decode(stream))
            size = f"{stream.codec_context.width} x {stream.codec_context.height}"
            kind = "a picture" if container.format.name.endswith("_pipe") else "a video"
            return f"{kind} ({stream.codec_context.name}, {size})"
    except (av.error.FFmpegError, OSError, IndexError, StopIteration, ValueError):
        return ""
