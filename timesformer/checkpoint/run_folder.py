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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from timesformer.checkpoint import start
from timesformer.checkpoint.files import Checkpoint
from timesformer.checkpoint.newest import RUN, candidates, newest_entries, run_of
from timesformer.checkpoint.save import move_aside
from timesformer.config import CfgNode, flat_values
from timesformer.files import best_checkpoint, run_files
from timesformer.runtime import log

logger = logging.getLogger(__name__)


class Standing(NamedTuple):
    """The checkpoint to resume from, without its tensors; None for a new run.

    ``earlier``: the run that is in the way of this one, described; empty: there is none.
    """

    newest: Checkpoint | None
    earlier: str = ""


@dataclass(frozen=True)
class RunSettings:
    """What decides whether a training resumes the run in its folder."""

    folder: Path
    starts_from: dict[str, Any]  # see ``start.build_start``
    num_epochs: int
    auto_resume: bool
    resume_anyway: bool
    board: Path  # folder of TensorBoard
    pickled_scores: str  # file in ``folder``; empty: none


def build_run_settings(cfg: CfgNode) -> RunSettings:
    """What ``cfg`` says of it."""
    return RunSettings(
        folder=Path(cfg.OUTPUT_DIR),
        starts_from=start.build_start(cfg),
        num_epochs=cfg.SOLVER.MAX_EPOCH,
        auto_resume=cfg.TRAIN.AUTO_RESUME,
        resume_anyway=cfg.TRAIN.RESUME_ANYWAY,
        board=log.build_board_folder(cfg),
        pickled_scores=cfg.TEST.SAVE_RESULTS_PATH,
    )


def standing(run: RunSettings, *, is_said: bool = False) -> Standing:
    """What is in the folder of a training; nothing is moved.

    ``is_said``: checkpoints that are passed over are named in the log.

    Raises:
        CheckpointError: its checkpoints are of no use, or one that counts cannot be read.
    """
    if not run.auto_resume:
        there = candidates(run.folder) or os.path.lexists(best_checkpoint(run.folder))
        return Standing(None, "an earlier run" if there else "")
    newest = newest_entries(run.folder, is_said=is_said)
    if newest is None:
        return Standing(None)
    then = start_of(newest)
    if then is None or run.resume_anyway or not is_finished(newest, run.num_epochs):
        return Standing(newest)
    now = start.identify(run.starts_from, then)
    if not start.differs(then, now) or is_own_newest(newest.path, now):
        return Standing(newest)
    return Standing(None, f"the finished run that started from {start.described(then)}")


def clear(run: RunSettings) -> str:
    """Set aside what is in the way of a training; returns the message about it, if there was any.

    By the first process, before it writes anything into the folder. With the checkpoints go all files
    that the earlier run wrote, so that no numbers are mixed; features that were computed stay.
    """
    earlier = standing(run).earlier
    if not earlier:
        return ""
    now = start.identify(run.starts_from)
    written = [*candidates(run.folder), best_checkpoint(run.folder), *run_files(run.folder)]
    if run.pickled_scores:
        written.append(run.folder / run.pickled_scores)
    if run.board.is_dir() and run.folder.resolve() in run.board.resolve().parents:
        written.append(run.board)
    aside = move_aside(run.folder, filter(os.path.lexists, written))
    return f"{earlier} is in {aside} now; this one starts from {start.described(now)}"


def run_id(run: RunSettings, *, trains: bool) -> str:
    """The id of the run that resumes or is tested in the folder, or a new one."""
    newest = standing(run).newest if trains else None
    known = newest.entries.get(RUN) if newest else ""
    resumes = newest is not None or not trains
    return str(known or (run_of(run.folder) if resumes else "") or uuid.uuid4().hex)


def start_of(found: Checkpoint) -> dict[str, Any] | None:
    """Where the run of a checkpoint started from; of older ones by its configuration."""
    said: dict[str, Any] | None = found.entries.get(start.KEY)
    return said or start.said_by(flat_configuration(found))


def is_finished(found: Checkpoint, num_epochs: int) -> bool:
    """Whether the run of a checkpoint has trained all of its epochs, or stopped early.

    ``num_epochs``: of files that have no configuration.
    """
    said, entries = flat_configuration(found), found.entries
    epochs = said.get("SOLVER.MAX_EPOCH", num_epochs)
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
