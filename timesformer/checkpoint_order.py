"""The checkpoints of a folder, files and folders, in the order of what they have seen."""

import re
from pathlib import Path

from timesformer.formats.sharded import PLAIN

_NAME = re.compile(r"checkpoint_epoch_(\d+)(?:_batch_(\d+))?\.(?:pyth|dcp(?:\.old)?)")
_END = 1 << 62  # in place of the batch of a finished epoch


def in_order(folder: Path) -> list[Path]:
    """Checkpoints by what they have seen, the newest last; an epoch's end follows its batches.

    A file and a folder that have seen the same are in order of their times.
    """
    paths = folder.iterdir() if folder.is_dir() else []
    found = [path for path in paths if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: (progress(path), _time(path)))


def progress(path: Path) -> tuple[int, int]:
    """The epoch, from 1, and its batches that a checkpoint has seen, by its name."""
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1]), int(match[2]) if match[2] else _END


def is_in_epoch(path: Path) -> bool:
    """Whether a checkpoint is of the middle of an epoch, by its name."""
    match = _NAME.fullmatch(path.name)
    return match is not None and match[2] is not None


def _time(path: Path) -> int:
    """When a checkpoint was written: all of a folder, but its name."""
    content = path / PLAIN
    return (content if content.is_file() else path).stat().st_mtime_ns
