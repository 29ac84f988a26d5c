"""Models of the Hugging Face hub by their names, OWNER/NAME: from its cache, else downloaded once."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from timesformer.errors import InputError
from timesformer.io.endpoint import answers as _answers
from timesformer.io.terminal import first_line

IN_FOLDER = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""The files of weights in a folder of Hugging Face, the first that is there counts."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_OF_FILES = frozenset(
    (".bin", ".ckpt", ".dcp", ".json", ".npz", ".pdparams", ".pickle", ".pkl", ".pt", ".pth", ".pyth",
     ".safetensors", ".tar", ".yaml", ".zip")
)  # fmt: skip
_SIDE_FILES = ("config.json", "preprocessor_config.json", "video_preprocessor_config.json")
_PATTERNS = (  # of what is downloaded; the second only if the first brings no weights
    (*_SIDE_FILES, "model.safetensors.index.json", "model*.safetensors"),
    ("pytorch_model.bin.index.json", "pytorch_model*.bin"),
)


class HubError(InputError, ValueError):
    """A model of the hub that is not here and cannot be fetched."""


def is_name(path: str | Path) -> bool:
    """Whether ``path`` is OWNER/NAME: no file or folder here, nor called like a file of weights."""
    text = Path(path).as_posix()
    if not _NAME.fullmatch(text) or Path(text).suffix.lower() in _OF_FILES:
        return False
    return not os.path.lexists(path) and not text.startswith("timm/")


def local_folder(name: str | Path) -> Path:
    """The folder with the files of the model ``name``, downloaded if it is not in the cache.

    Raises:
        HubError: it is neither there nor can it be fetched.
    """
    name = Path(name).as_posix()
    found = _cached(name)
    if found is None and not Path(name).parent.is_dir():  # a file of a folder here, mistyped
        found = _download(name)
    if found is None:
        raise HubError(_explain(name, ""))
    return found


@contextlib.contextmanager
def offline_if_unreachable() -> Iterator[None]:
    """Ask the hub once: its client would try for a minute before it looks into its cache."""
    from huggingface_hub import constants

    with mock.patch.object(
        constants, "HF_HUB_OFFLINE", constants.HF_HUB_OFFLINE or not _answers(constants.ENDPOINT)
    ):
        yield


def cache_folder() -> str:
    """Where the client of the hub keeps what it has downloaded, by the environment of now."""
    from huggingface_hub import constants

    for name, below in (("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", ""), ("HF_HOME", "hub")):
        if folder := os.environ.get(name):
            return os.path.join(os.path.expanduser(folder), below).rstrip(os.sep)
    return str(constants.HF_HUB_CACHE)


def _cached(name: str) -> Path | None:
    """The folder of the cache that has weights of ``name``: of its branch main, else the newest."""
    model = Path(cache_folder(), "models--" + name.replace("/", "--"))
    snapshots = model / "snapshots"
    if not snapshots.is_dir():
        return None
    folders = sorted(snapshots.iterdir(), key=lambda each: each.stat().st_mtime, reverse=True)
    main = model / "refs" / "main"
    if main.is_file():
        folders.insert(0, snapshots / main.read_text(encoding="utf-8").strip())
    return next((each for each in folders if _has_weights(each)), None)


def _has_weights(folder: Path) -> bool:
    return any((folder / name).is_file() for name in IN_FOLDER)


def _download(name: str) -> Path | None:
    """The folder of the cache after downloading, or None if the model has no weights of a known name."""
    from huggingface_hub import constants, snapshot_download

    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise HubError(_explain(name, "HF_HUB_OFFLINE is set"))
    if not _answers(constants.ENDPOINT):
        raise HubError(_explain(name, f"{constants.ENDPOINT} does not answer"))
    try:
        for patterns in _PATTERNS:
            found = snapshot_download(name, cache_dir=cache_folder(), allow_patterns=list(patterns))
            if _has_weights(Path(found)):
                return Path(found)
    except (OSError, ValueError) as error:  # all that its client raises
        raise HubError(_explain(name, f"{type(error).__name__}: {first_line(error)}")) from error
    return None


def _explain(name: str, reason: str) -> str:
    from huggingface_hub import constants

    why = f" and could not be downloaded ({reason})" if reason else ""
    return (
        f"checkpoint {name} does not exist: there is no such file or folder here, and as a model of the "
        f"Hugging Face hub it is not in the cache {cache_folder()}{why}. Check the path; or connect to "
        f"the network once; or copy model.safetensors and config.json of {constants.ENDPOINT}/{name} "
        "into a folder and name that folder"
    )
