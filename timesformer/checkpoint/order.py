"""The checkpoints of a folder, files and folders, in the order of what they have seen.

The order is that of their names, which the content must confirm: see ``other_content``.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from timesformer.checkpoint.formats.sharded import PLAIN

_NAME = re.compile(r"checkpoint_epoch_([0-9]+)(?:_batch_([0-9]+))?\.(?:pyth|dcp(?:\.old)?)")
_END = 1 << 62  # in place of the batch of a finished epoch


def in_order(folder: Path) -> list[Path]:
    """What has the name of a checkpoint, the newest last; an epoch's end follows its batches.

    A file and a folder that have seen the same are in order of their times.

    Raises:
        OSError: the folder may not be read.
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


def other_content(path: Path, entries: Mapping[str, Any]) -> str:
    """What the ``entries`` of a checkpoint say it is of, if its name says something else.

    Entries that say nothing, as those of other programs, agree with every name.
    """
    (epoch, batch), seen = progress(path), entries.get("epoch")
    position = entries.get("position")
    if not isinstance(seen, int):
        return ""
    if batch == _END:
        return "" if seen == epoch - 1 else f"epoch {seen + 1}"
    if not isinstance(position, Mapping) or position == {"epoch": epoch - 1, "batch": batch}:
        return ""
    return f"batch {position.get('batch')} of epoch {position.get('epoch', seen) + 1}"


def _time(path: Path) -> int:
    """When a checkpoint was written: all of a folder, but its name; 0: it has gone, or leads nowhere."""
    content = path / PLAIN
    try:
        return (content if content.is_file() else path).stat().st_mtime_ns
    except OSError:
        return 0
