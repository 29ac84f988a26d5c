"""What OUTPUT_DIR holds when a training starts, and what the start does with it.

nothing, or no checkpoint          a new run
a run of the same start            resumes; if it is finished, it is only tested again
a finished run of another start    is set aside, and the new one runs
an unfinished run of another one   stays as it is: ``resume_check`` refuses the start
TRAIN.AUTO_RESUME False            any earlier run is set aside
"""

import logging
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from timesformer.checkpoint import start
from timesformer.checkpoint.files import Checkpoint
from timesformer.checkpoint.newest import RUN, candidates, newest_entries, run_of
from timesformer.checkpoint.save import move_aside
from timesformer.config import CfgNode, flat_values
from timesformer.files import (
    CLASSES,
    CONFIG,
    LOG,
    METRICS,
    NONFINITE,
    PREDICTIONS,
    RESULTS,
    RUN_RECORD,
    best_checkpoint,
)
from timesformer.runtime import log

logger = logging.getLogger(__name__)

_WRITTEN = (RUN_RECORD, METRICS, LOG, RESULTS, PREDICTIONS, CLASSES, CONFIG, NONFINITE)


class Standing(NamedTuple):
    """The checkpoint to resume from, without its tensors; None for a new run.

    ``earlier``: the run that is in the way of this one, described; empty: there is none.
    """

    newest: Checkpoint | None
    earlier: str = ""


def standing(cfg: CfgNode, *, is_said: bool = False) -> Standing:
    """What is in OUTPUT_DIR for a training of ``cfg``; nothing is moved.

    ``is_said``: checkpoints that are passed over are named in the log.

    Raises:
        CheckpointError: its checkpoints are of no use, or one that counts cannot be read.
    """
    if not cfg.TRAIN.AUTO_RESUME:
        there = candidates(cfg.OUTPUT_DIR) or os.path.lexists(best_checkpoint(cfg.OUTPUT_DIR))
        return Standing(None, "an earlier run" if there else "")
    newest = newest_entries(cfg.OUTPUT_DIR, is_said=is_said)
    if newest is None:
        return Standing(None)
    then = start_of(newest)
    if then is None or cfg.TRAIN.RESUME_ANYWAY or not is_finished(newest, cfg):
        return Standing(newest)
    now = start.identity(cfg, then)
    if not start.differs(then, now) or is_own_newest(newest.path, now):
        return Standing(newest)
    return Standing(None, f"the finished run that started from {start.described(then)}")


def clear(cfg: CfgNode) -> str:
    """Set aside what is in the way of a training of ``cfg``; returns what to say of it, if it did.

    By the first process, before it writes anything into OUTPUT_DIR. With the checkpoints go all files
    that the earlier run wrote, so that no numbers are mixed; features that were computed stay.
    """
    earlier = standing(cfg).earlier
    if not earlier:
        return ""
    now = start.identity(cfg)
    folder = Path(cfg.OUTPUT_DIR)
    written = [path for path in _written_by_a_run(cfg) if os.path.lexists(path)]
    board = log.build_board_folder(cfg)
    if board.is_dir() and folder.resolve() in board.resolve().parents:
        written.append(board)
    aside = move_aside(folder, written)
    return f"{earlier} is in {aside} now; this one starts from {start.described(now)}"


def run_id(cfg: CfgNode) -> str:
    """The id of the run that resumes in OUTPUT_DIR, or a new one."""
    newest = standing(cfg).newest if cfg.TRAIN.ENABLE else None
    known = newest.entries.get(RUN) if newest else ""
    resumes = newest is not None or not cfg.TRAIN.ENABLE
    return str(known or (run_of(cfg.OUTPUT_DIR) if resumes else "") or uuid.uuid4().hex)


def start_of(found: Checkpoint) -> dict[str, Any] | None:
    """Where the run of a checkpoint started from; of older ones by its configuration."""
    said: dict[str, Any] | None = found.entries.get(start.KEY)
    return said or start.said_by(flat_configuration(found))


def is_finished(found: Checkpoint, cfg: CfgNode) -> bool:
    """Whether the run of a checkpoint has trained all of its epochs, or stopped early.

    ``cfg`` says how many epochs for files that have no configuration.
    """
    said, entries = flat_configuration(found), found.entries
    epochs = said.get("SOLVER.MAX_EPOCH", cfg.SOLVER.MAX_EPOCH)
    patience = said.get("SOLVER.EARLY_STOP_PATIENCE", 0)
    done = entries.get("position", {}).get("epoch", entries.get("epoch", -1) + 1)
    stale = entries.get("best", {}).get("stale", 0)
    return bool(done >= epochs or 0 < patience <= stale)


def is_own_newest(newest: Path, now: Mapping[str, Any]) -> bool:
    """Whether a run is told to continue the training of its own newest checkpoint, by name."""
    named = Path(now["file"])
    return now["how"] == start.TRAINING and named.exists() and named.samefile(newest)


def flat_configuration(found: Checkpoint) -> dict[str, Any]:
    """{"TRAIN.ENABLE": True, ...} of a checkpoint; empty if it has no configuration.

    Raises:
        ConfigError: it is not plain YAML.
    """
    return flat_values(str(found.entries.get("cfg") or "{}"), source=str(found.path))


def _written_by_a_run(cfg: CfgNode) -> Iterator[Path]:
    yield from candidates(cfg.OUTPUT_DIR)
    yield best_checkpoint(cfg.OUTPUT_DIR)
    names = [*_WRITTEN]
    if saved := cfg.TEST.SAVE_RESULTS_PATH:
        names.append(saved)
    for name in names:
        yield Path(cfg.OUTPUT_DIR, name)
