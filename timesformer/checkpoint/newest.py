"""Which checkpoint of a run is the newest that can be used: content decides, never a name.

Three kinds of trouble are kept apart. What was read and is wrong is passed over and named. What cannot
be read, or holds code, ends the run, since it may be the newest. And where no checkpoint can be used, a
run does not start from scratch as if there were none.
"""

import errno
import functools
import json
import logging
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from timesformer.checkpoint.files import UnreadableError, read_entries
from timesformer.checkpoint.formats import sharded
from timesformer.checkpoint.formats.sharded import PLAIN
from timesformer.checkpoint.load import CheckpointError, first_line
from timesformer.checkpoint.payload import check_entries, unknown_classes
from timesformer.files import EPOCH_NAME, RUN_RECORD, SHARDED, checkpoint_folder
from timesformer.io.terminal import printable
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


def newest_checkpoint(
    output_dir: str | Path, *, before: int | None = None, is_said: bool = True
) -> Path | None:
    """The newest checkpoint of this run in OUTPUT_DIR that is whole; None: there are none at all.

    Args:
        output_dir: of the run.
        before: that has seen fewer good steps, see ``engine/nonfinite.py``.
        is_said: name in the log what is passed over.

    Raises:
        CheckpointError: one that may be the newest cannot be read or holds code; or none is of use.
    """
    run, found = run_of(output_dir), candidates(output_dir)
    left_out = []
    for path in reversed(found):
        if reason := _why_not(path, run):
            if reason != _GONE:
                if is_said:
                    logger.warning("checkpoint %s %s", printable(path), reason)
                left_out.append(f"{printable(path.name)} {reason}")
        elif before is None or _good_steps(path) < before:
            return path
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
        if path.is_dir():
            return _parsing_problem(path) or sharded.damage(path)
        return _bad_record(path) or _parsing_problem(path)
    except FileNotFoundError as error:
        return f"{error.filename} is missing"
    except OSError as error:
        raise CheckpointError(_unreadable(path, error)) from error
    except TypeError as error:  # of what should be a size and a checksum
        return first_line(error)


_GONE = "has gone"  # another process has deleted it since


def _why_not(path: Path, run: str) -> str:
    """Why a candidate is passed over, for a message; empty if it is one of ours and whole."""
    if reason := _odd_file(path):
        return reason
    if harm := _known_damage(path, _state(path)):
        return f"is left out, it is damaged: {harm}; delete it"
    entries = read_entries(path)
    _refuse_foreign(path, entries)
    if other := other_content(path, entries):
        return f"is passed over: its content is of {other}; rename it or remove it"
    theirs = entries.get(RUN, "")
    if run and theirs and theirs != run:
        return (
            f"is passed over: it is of another run ({theirs}, and {RUN_RECORD} here is of {run}); remove "
            "it, or use it in an OUTPUT_DIR of its own"
        )
    return ""


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


@functools.lru_cache(maxsize=256)
def _known_damage(path: Path, _state: tuple[tuple[str, int, int, int], ...]) -> str:
    """``damage``, once for the files of a state: it reads all of them."""
    return damage(path)


def _state(path: Path) -> tuple[tuple[str, int, int, int], ...]:
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        found = [(file.name, file.stat()) for file in files]
    except OSError:
        return ()
    return tuple((name, s.st_ino, s.st_size, s.st_mtime_ns) for name, s in found)


def _bad_record(path: Path) -> str:
    """The zip record that has not its checksum; all is read here, so that errors are the system's."""
    if not zipfile.is_zipfile(path):  # as before PyTorch 1.6, without checksums; or no checkpoint
        with path.open("rb") as file:
            file.read(1)
        return ""
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, ValueError) as error:
        return str(error)
    except OSError as error:
        if error.errno != errno.EINVAL:  # that is a wrong offset in the file
            raise
        return str(error)
    return f"{bad} does not have its checksum" if bad else ""


def _parsing_problem(path: Path) -> str:
    try:
        read_entries(path)
    except UnreadableError:
        raise
    except CheckpointError as error:
        if _CODE in str(error):
            raise
        cause = error.__cause__
        real = cause if isinstance(cause, Exception) else error
        return first_line(real) or type(real).__name__
    return ""


def _unreadable(path: Path, error: OSError) -> str:
    return (
        f"checkpoint {printable(path)} cannot be read: {error.strerror or error}; that says nothing "
        "about what it holds, so the run stops: make it readable, or move it away"
    )


def _good_steps(path: Path) -> int:
    """Those that the weights of a whole checkpoint are made of; 0: it does not say."""
    guard: Mapping[str, Any] = read_entries(path).get("guard", {})
    steps: int = guard.get("good_steps", 0)
    return steps


def choose_newest(output_dir: str, *, before: int | None = None) -> Path | None:
    """``newest_checkpoint``, as the first process sees it."""
    newest = None
    if collectives.is_main():
        newest = newest_checkpoint(output_dir, before=before)
    return collectives.broadcast_object(newest)


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
    """When a checkpoint was written: all of a folder, but its name; 0: it has gone, or leads nowhere."""
    content = path / PLAIN
    try:
        return (content if content.is_file() else path).stat().st_mtime_ns
    except OSError:
        return 0
