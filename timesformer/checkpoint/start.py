"""Where a run starts from: which weights, known by their content, so that a moved file is the same."""

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from timesformer.config import CfgNode, portable
from timesformer.config.tree import value_of
from timesformer.files import CHECKPOINTS, EARLIER

KEY = "started_from"
"""Entry of a checkpoint and of a session of ``run.json``: what ``identify`` returns."""

RANDOM, WEIGHTS, TRAINING = "random weights", "the weights of", "the training of"
IMAGENET = "ImageNet"  # an empty TIMESFORMER.PRETRAINED_MODEL
KEYS = (
    "TRAIN.FINETUNE",
    "TRAIN.CHECKPOINT_FILE_PATH",
    "TRAIN.CHECKPOINT_EPOCH_RESET",
    "TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN",
    "TIMESFORMER.PRETRAINED_MODEL",
)
_PIECE = 1 << 20  # bytes that are read at once


def build_start(cfg: CfgNode) -> dict[str, Any]:
    """What a run of ``cfg`` starts from: ``how``, ``file``, ``cut_from_names``, no ``sha256`` yet."""
    said = said_by({key: value_of(cfg, key) for key in KEYS})
    assert said is not None
    return said


def identify(said: dict[str, Any], then: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A start with the ``sha256`` of its content; empty for names of hubs and files that do not exist.

    Args:
        said: see ``build_start``.
        then: the same of the run in OUTPUT_DIR, for files of it that were moved since.
    """
    if said["how"] == RANDOM or said["file"] == IMAGENET:
        return said
    wanted = str((then or {}).get("sha256", ""))
    return {**said, "sha256": digest(located(said["file"], wanted))}


def said_by(values: Mapping[str, Any]) -> dict[str, Any] | None:
    """``build_start`` by the words of a flat configuration alone; None: it has not all of the keys."""
    if not set(KEYS) <= values.keys():
        return None
    tuned, file, reset, cut, pretrained = (values[key] for key in KEYS)
    if file:
        how = WEIGHTS if tuned or reset else TRAINING
        names = sorted(cut or ())
    else:
        how = RANDOM if str(pretrained).lower() == "none" else WEIGHTS
        file = "" if how == RANDOM else pretrained or IMAGENET
        names = []
    return {"how": how, "file": str(file), "sha256": "", "cut_from_names": names}


def differs(then: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two runs start from different weights; without hashes by the text of the paths."""
    if (then["how"], then["cut_from_names"]) != (now["how"], now["cut_from_names"]):
        return True
    if then["sha256"] and now["sha256"]:
        return bool(then["sha256"] != now["sha256"])
    if then["file"] == now["file"]:
        return False
    past = portable(then["file"])  # of an old checkpoint, perhaps written another way
    return not now["sha256"] or digest(past) != now["sha256"]


def described(start: Mapping[str, Any]) -> str:
    """A start in a message."""
    names = f" without {', '.join(start['cut_from_names'])}" if start["cut_from_names"] else ""
    sha = f" (SHA-256 {start['sha256'][:12]})" if start["sha256"] else ""
    return f"{start['how']} {start['file']}{sha}{names}".replace(f"{RANDOM} ", RANDOM)


def located(name: str | Path, wanted: str = "") -> Path:
    """Where the file ``name`` is: there, or in the ``earlier-N`` beside it to which its run was moved.

    Args:
        name: value of a key.
        wanted: SHA-256 that it had, if that is known; of several such files the one that has it.
    """
    path = portable(name)
    moved = list(_moved(path))
    places = [place for place in (path, *moved) if place.exists()]
    if moved and wanted:
        places = [place for place in places if digest(place) == wanted] or places
    return places[0] if places else path


def digest(path: Path) -> str:
    """SHA-256 of a file, or of the files of a folder and their names; empty if it cannot be read."""
    try:
        if path.is_dir():
            parts = [
                f"{file.name} {sha256(file)}" for file in sorted(path.iterdir()) if file.is_file()
            ]
            return hashlib.sha256("\n".join(parts).encode()).hexdigest()
        if path.name.endswith(".index.json"):
            parts = [sha256(path), *(sha256(path.with_name(name)) for name in _shards(path))]
            return hashlib.sha256("\n".join(parts).encode()).hexdigest()
        return sha256(path) if path.is_file() else ""
    except OSError:
        return ""


def sha256(path: Path) -> str:
    """SHA-256 of a file; one that this process has read before, and that is unchanged, is not read again.

    Raises:
        OSError: it cannot be read.
    """
    found = path.stat()
    state = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
    return _sha256_of(state, str(path))


def _moved(path: Path) -> Iterator[Path]:
    """``path`` in the folders of earlier runs, the latest first, if it is named as a checkpoint."""
    folder = path.parent
    if folder.name != CHECKPOINTS:
        return
    numbers = {p: p.name.removeprefix(EARLIER) for p in folder.glob(f"{EARLIER}*")}
    earlier = [p for p, number in numbers.items() if number.isdecimal()]
    for aside in sorted(earlier, key=lambda p: int(numbers[p]), reverse=True):
        if (aside / path.name).exists():
            yield aside / path.name


def _shards(index: Path) -> list[str]:
    """Names of the files beside an index of safetensors; none if it is none."""
    try:
        named = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
    return sorted({Path(str(name)).name for name in named})


@functools.lru_cache(maxsize=256)
def _sha256_of(state: tuple[int, ...], path: str) -> str:
    """By ``state`` too: a file of the same path may be another one later."""
    hashed = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            hashed.update(piece)
    return hashed.hexdigest()
