"""The checkpoints of a run: their names, writing them whole, and deleting old ones.

A checkpoint is the published dictionary: ``epoch`` (0-based, the last finished one; the file name
counts from 1), ``model_state`` (names begin ``model.``), ``optimizer_state``, ``cfg`` (YAML); what
``metadata`` adds; and what ``engine/train_state.py`` adds for resuming.

It is a file, or with DIST.SHARDED_CHECKPOINTS a folder (``sharded``), but for the best one.
The file is a zip archive with a CRC-32 of every record, which is its checksum: it travels with every copy
of the file, where one in a second file would be lost. PyTorch writes it, but does not compare it.
"""

import itertools
import logging
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from timesformer.checkpoint import sharded
from timesformer.checkpoint.load import CheckpointError, unwrap
from timesformer.checkpoint.newest import (
    candidates,
    in_order,
    is_in_epoch,
    newest_checkpoint,
    progress,
)
from timesformer.files import (
    EARLIER,
    REPLACED,
    SHARDED,
    WriteError,
    atomic_path,
    best_checkpoint,
    checkpoint_folder,
    discard,
    link_atomically,
    remove_temporaries,
    sync,
    system_error,
)
from timesformer.io.terminal import first_line
from timesformer.runtime import collectives

logger = logging.getLogger(__name__)

_KEPT_IN_EPOCH = 2  # checkpoints inside an epoch, and newer ones, until the older are removed


class Position(NamedTuple):
    """The batch that is due next, both counted from 0; ``batch`` may be the number of batches."""

    epoch: int
    batch: int


def write_checkpoint(path: Path, payload: Mapping[str, Any], *, also: Sequence[Path] = ()) -> None:
    """Write ``payload`` to ``path``, and the same file to the paths ``also``, whole or not at all.

    Raises:
        CheckpointError: it cannot be written; other checkpoints are as they were.
    """
    try:
        path.parent.mkdir(exist_ok=True)  # not OUTPUT_DIR itself: it may have been moved away
        with atomic_path(path, follow_links=False) as temporary:
            with temporary.open("wb") as file:
                torch.save(dict(payload), file)
            sync(temporary)
            for other in also:  # before the first name: who finds that may rely on the others
                link_atomically(temporary, other)
    except (OSError, RuntimeError) as error:  # the zip writer raises RuntimeError on a full disk
        cause = error.__cause__ if isinstance(error, WriteError) else error
        raise CheckpointError(_cannot_write(path, cause or error)) from error


def write_sharded(path: Path, payload: Mapping[str, Any]) -> None:
    """The same into a folder, by all processes together; the tensors may be sharded.

    Raises:
        CheckpointError: it cannot be written; other checkpoints are as they were.
    """
    try:
        sharded.write_sharded(path, payload)
    except OSError as error:
        raise CheckpointError(collectives.broadcast_object(_cannot_write(path, error))) from error


def remove_leftovers(output_dir: str | Path) -> None:
    """Delete what an interrupted process has half written, or replaced."""
    folder = checkpoint_folder(output_dir)
    remove_temporaries(folder, "*.pyth")
    for path in [*folder.glob("*.pyth.tmp"), *folder.glob(f"*{SHARDED}.tmp")]:
        discard(path)
    for path in folder.glob(f"*{SHARDED}{REPLACED}"):
        if path.with_suffix("").exists():
            _remove(path)


def prune(output_dir: str | Path, keep: int, guard: Mapping[str, Any] | None = None) -> None:
    """Delete checkpoints that are not wanted any more; one that cannot be deleted is named.

    Of the ends of epochs the newest ``keep`` stay (0: all); of those inside an epoch, which exist to
    resume from, the ones among the newest two of all. While steps are being skipped, as the entry
    ``guard`` of a checkpoint says, the one to go back to stays too.
    """
    found = candidates(output_dir)
    ends = [path for path in found if not is_in_epoch(path)]
    old = [path for path in found[:-_KEPT_IN_EPOCH] if is_in_epoch(path)]
    old += ends[:-keep] if keep else []
    if old and guard and guard["in_a_row"]:
        spared = newest_checkpoint(output_dir, before=guard["good_steps"])
        old = [path for path in old if path != spared]
    for path in old:
        try:
            _remove(path)
        except OSError as error:
            logger.warning(
                "old checkpoint %s cannot be deleted: %s; delete it", path, error.strerror
            )


def set_aside(output_dir: str | Path, *, after: Path, best: bool) -> Path | None:
    """Move what a run that starts after the checkpoint ``after`` would take for its own.

    These are the checkpoints that are newer by name (damaged ones and copies, if it resumes), and with
    ``best`` that of the best validation. Returns their new folder, if any.
    """
    found = candidates(output_dir)
    if after in found:  # a file and a folder may have seen the same
        moved = found[found.index(after) + 1 :]
    else:
        moved = [path for path in found if progress(path) > progress(after)]
    moved += [path for path in [best_checkpoint(output_dir)] if best and os.path.lexists(path)]
    return move_aside(output_dir, moved) if moved else None


def move_aside(output_dir: str | Path, paths: Iterable[Path]) -> Path:
    """Move files and folders into the next free ``checkpoints/earlier-N`` of OUTPUT_DIR; returns it."""
    numbered = (
        checkpoint_folder(output_dir) / f"{EARLIER}{number}" for number in itertools.count(1)
    )
    aside = next(path for path in numbered if not os.path.lexists(path))
    aside.mkdir(parents=True)
    for path in paths:
        shutil.move(path, aside / path.name)  # CHECKPOINTS may be a link to another disk
    return aside


def named_state(model: nn.Module) -> dict[str, Tensor]:
    """The weights of ``model`` under the names of checkpoint files."""
    return {f"model.{key}": value for key, value in unwrap(model).state_dict().items()}


def _remove(path: Path) -> None:
    """Delete a checkpoint; of a link the link, never what it leads to."""
    if path.is_dir() and not path.is_symlink():
        sharded.remove_sharded(path)
    else:
        path.unlink(missing_ok=True)


def vanished(output_dir: str | Path) -> str:
    """The message about an OUTPUT_DIR that is no longer there; empty if it is there."""
    return "" if Path(output_dir).is_dir() else _gone(output_dir)


def _gone(output_dir: str | Path) -> str:
    return (
        f"OUTPUT_DIR {output_dir} is no longer there: it was deleted or moved during the run. Move "
        "it back and give the same command to resume from its newest checkpoint, or give the command to "
        "start anew"
    )


def _cannot_write(path: Path, error: BaseException) -> str:
    output_dir = path.parent.parent
    if vanished(output_dir) or isinstance(error, FileNotFoundError):  # or it is being deleted
        return _gone(output_dir)
    last = next(reversed(in_order(path.parent)), None)
    free = shutil.disk_usage(path.parent).free >> 20 if path.parent.is_dir() else 0
    system = system_error(error, path)
    reason = first_line(error) if system is None else system.strerror or str(system)
    kept = f"the last good one is {last}" if last else "there is no earlier one"
    return (
        f"checkpoint {path} cannot be written: {reason} ({free} MiB are free there); {kept}. Make "
        "room (TRAIN.KEEP_CHECKPOINTS deletes old ones) and give the same command to resume"
    )
