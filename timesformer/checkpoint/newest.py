"""Which checkpoint of a run is the newest that can be used: content decides, never a name.

Three kinds of trouble are kept apart. What was read and is wrong is passed over and named. What cannot
be read, or holds code, ends the run, since it may be the newest. And where no checkpoint can be used, a
run does not start from scratch as if there were none.
"""

import json
import logging
import stat
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from timesformer.checkpoint.files import Checkpoint, UnreadableError, read_checkpoint
from timesformer.checkpoint.formats.sharded import PLAIN
from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.payload import check_entries, unknown_classes
from timesformer.files import EPOCH_NAME, RUN_RECORD, SHARDED, checkpoint_folder
from timesformer.io.terminal import first_line, printable
from timesformer.runtime import collectives

logger = logging.getLogger(__name__)

RUN = "run"
"""Entry of a checkpoint and of ``run.json``: the id of the run that wrote it."""

_READ = ("epoch", "position", "cfg", "best", "guard", RUN, "started_from")  # to choose one
_END = 1 << 62  # in place of the batch of a finished epoch
_CODE = "code in a file is never run"  # of the message of ``read_file``


def candidates(output_dir: str | Path) -> list[Path]:
    """What has the name of a checkpoint in OUTPUT_DIR, the newest name last.

    Raises:
        CheckpointError: the folder may not be read.
    """
    folder = checkpoint_folder(output_dir)
    try:
        return in_order(folder)
    except OSError as error:
        raise CheckpointError(_unreadable(folder, error)) from error


def read_newest(output_dir: str | Path, *, before: int | None = None) -> Checkpoint | None:
    """The newest checkpoint of this run in OUTPUT_DIR that is whole; None: there are none at all.

    All processes call it together. The first one chooses; each reads the file once.

    Args:
        output_dir: of the run.
        before: that has seen fewer good steps, see ``engine/nonfinite.py``.

    Raises:
        CheckpointError: one that may be the newest cannot be read or holds code; or none is of use.
    """
    found = _newest(output_dir, read_checkpoint, before=before) if collectives.is_main() else None
    path = collectives.broadcast_object(found and found.path)
    return Checkpoint(path, read_checkpoint(path)) if path and found is None else found


def newest_entries(output_dir: str | Path, *, is_said: bool = False) -> Checkpoint | None:
    """``read_newest`` by the small parts of the files, whose tensors may be damaged and are left out.

    ``is_said``: name in the log what is passed over.
    """
    return _newest(output_dir, partial(read_checkpoint, entries_only=True), is_said=is_said)


def newest_checkpoint(output_dir: str | Path, *, before: int | None = None) -> Path | None:
    """The path of ``read_newest``, for one process alone."""
    found = _newest(output_dir, read_checkpoint, before=before)
    return found and found.path


def _newest(
    output_dir: str | Path,
    read: Callable[[Path], dict[str, Any]],
    *,
    before: int | None = None,
    is_said: bool = True,
) -> Checkpoint | None:
    run, found = run_of(output_dir), candidates(output_dir)
    left_out = []
    for path in reversed(found):
        entries, reason = _read_own(path, run, read)
        if entries is None:
            if reason != _GONE:
                if is_said:
                    logger.warning("checkpoint %s %s", printable(path), reason)
                left_out.append(f"{printable(path.name)} {reason}")
        elif before is None or entries.get("guard", {}).get("good_steps", 0) < before:
            return Checkpoint(path, entries)
    if left_out and len(left_out) == len(found):
        lines = "\n  ".join(left_out)
        raise CheckpointError(
            f"{checkpoint_folder(output_dir)} holds no checkpoint that can be used:\n  {lines}\nMend or "
            "remove them, name the file to test (TEST.CHECKPOINT_FILE_PATH), or train anew with "
            "TRAIN.AUTO_RESUME False, which sets them aside"
        )
    return None


def run_of(output_dir: str | Path) -> str:
    """The id of the run that OUTPUT_DIR is of; empty: it does not say."""
    try:
        found = json.loads((Path(output_dir) / RUN_RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ""
    run = found.get(RUN, "") if isinstance(found, dict) else ""
    return run if isinstance(run, str) else ""


def damage(path: Path) -> str:
    """What is wrong with a checkpoint; empty if it can be read and every record has its checksum.

    Raises:
        CheckpointError: it cannot be read, which says nothing about it, or holds code.
    """
    try:
        read_checkpoint(path)
    except CheckpointError as error:
        return _damage(error)
    return ""


_GONE = "has been deleted"  # another process has deleted it since


def _read_own(
    path: Path, run: str, read: Callable[[Path], dict[str, Any]]
) -> tuple[dict[str, Any] | None, str]:
    """What a candidate holds; or None and why it is passed over, for a message."""
    if reason := _odd_file(path):
        return None, reason
    try:
        entries = read(path)
    except CheckpointError as error:
        if not path.exists():
            return None, _GONE
        return None, f"is left out, it is damaged: {_damage(error)}; delete it"
    _refuse_foreign(path, entries)
    if other := other_content(path, entries):
        return None, f"is passed over: its content is of {other}; rename it or remove it"
    theirs = entries.get(RUN, "")
    if run and theirs and theirs != run:
        return None, (
            f"is passed over: it is of another run ({theirs}, and {RUN_RECORD} here is of {run}); remove "
            "it, or use it in an OUTPUT_DIR of its own"
        )
    return entries, ""


def _damage(error: CheckpointError) -> str:
    """The message of the parser; raises ``error`` where it is not about damage."""
    if isinstance(error, UnreadableError) or _CODE in str(error):
        raise error
    cause = error.__cause__
    real = cause if isinstance(cause, Exception) else error
    return first_line(real) or type(real).__name__


def _refuse_foreign(path: Path, entries: dict[str, Any]) -> None:
    """Raise CheckpointError for a whole file that this code has not written so: by whom, who knows."""
    check_entries({key: entries[key] for key in _READ if key in entries}, path)
    if found := unknown_classes(entries):
        raise CheckpointError(
            f"checkpoint {printable(path)} holds {', '.join(map(printable, sorted(found)[:4]))}, which no "
            "checkpoint of this code does, and code in a file is never run; move it away, or start from "
            "its weights alone (TRAIN.FINETUNE True TRAIN.CHECKPOINT_FILE_PATH FILE)"
        )


def _odd_file(path: Path) -> str:
    """Why something of a checkpoint's name cannot be one, without opening it."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if not path.is_symlink():
            return _GONE
        raise CheckpointError(
            f"checkpoint {printable(path)} is a link to {printable(path.readlink())}, which does not "
            "exist; bring that back, or remove the link"
        ) from None
    except OSError as error:
        raise CheckpointError(_unreadable(path, error)) from error
    is_folder = SHARDED in path.suffixes
    if (stat.S_ISDIR if is_folder else stat.S_ISREG)(mode):
        return ""
    wanted, kind = "a folder" if is_folder else "a file", stat.filemode(mode)[0]
    kinds = {"d": "a folder", "-": "a file", "p": "a FIFO", "s": "a socket"}
    return f"is passed over: it is {kinds.get(kind, 'a device')}, not {wanted}; remove it"


def _unreadable(path: Path, error: OSError) -> str:
    return (
        f"checkpoint {printable(path)} cannot be read: {error.strerror or error}; that says nothing "
        "about what it holds, so the run stops: make it readable, or move it away"
    )


def in_order(folder: Path) -> list[Path]:
    """What has the name of a checkpoint, the newest last; an epoch's end follows its batches.

    A file and a folder that have seen the same are in order of their times.

    Raises:
        OSError: the folder may not be read.
    """
    paths = folder.iterdir() if folder.is_dir() else []
    found = [path for path in paths if EPOCH_NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: (progress(path), _time(path)))


def progress(path: Path) -> tuple[int, int]:
    """The epoch, from 1, and its batches that a checkpoint has seen, by its name."""
    match = EPOCH_NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1]), int(match[2]) if match[2] else _END


def is_in_epoch(path: Path) -> bool:
    """Whether a checkpoint is of the middle of an epoch, by its name."""
    match = EPOCH_NAME.fullmatch(path.name)
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
    """When a checkpoint was written: of a folder, its content; 0: it was deleted, or is a broken link."""
    content = path / PLAIN
    try:
        return (content if content.is_file() else path).stat().st_mtime_ns
    except OSError:
        return 0
