"""Where a training starts: with which weights, and at which batch."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from timesformer.checkpoint import resume_check
from timesformer.checkpoint.files import Checkpoint, CheckpointError
from timesformer.checkpoint.newest import read_newest
from timesformer.checkpoint.pretrained import build_start_options, load_start
from timesformer.checkpoint.resume import Resumed
from timesformer.checkpoint.run_folder import build_run_settings, standing, start_of
from timesformer.checkpoint.save import Position
from timesformer.checkpoint.start import KEY, identify, located
from timesformer.config import CfgNode
from timesformer.engine.train_state import TrainState
from timesformer.evaluation import run_header
from timesformer.runtime import collectives, log

logger = logging.getLogger(__name__)


class Start(NamedTuple):
    """The batch that is due, and the ``payload`` of the checkpoint of this run; empty for a new one.

    ``path`` is that checkpoint.
    """

    position: Position
    payload: dict[str, Any]
    path: Path | None = None

    @classmethod
    def of_epoch(cls, epoch: int) -> "Start":
        """The beginning of 0-based ``epoch``."""
        return cls(Position(epoch, 0), {})


def restore(cfg: CfgNode, state: TrainState, now: Mapping[str, Any] | None = None) -> Start:
    """Give the model its first weights, and all else its state if the run was interrupted.

    Args:
        cfg: of the run.
        state: of the training; gets everything.
        now: what must be as in the checkpoint of OUTPUT_DIR, see ``resume_check``.

    Raises:
        CheckpointError: what is named cannot be used, or the run differs from the one to resume.
    """
    # 1. This run, interrupted; a fine-tuning too, which the published code restarted.
    newest = read_newest(cfg.OUTPUT_DIR) if cfg.TRAIN.AUTO_RESUME else None
    if newest is not None:
        resumed = state.load(newest)
        anyway = cfg.TRAIN.RESUME_ANYWAY
        resume_check.check_compatible(newest, cfg.dump(), now or {}, resume_anyway=anyway)
        _log_resumed(resumed, state, newest.path, cfg.SOLVER.MAX_EPOCH, tests=cfg.TEST.ENABLE)
        return Start(resumed.position, newest.entries, newest.path)
    file, train = cfg.TRAIN.CHECKPOINT_FILE_PATH, cfg.TRAIN
    report: object = None
    # 2. Another run, continued, or its weights alone.
    if file and not (train.FINETUNE or train.CHECKPOINT_EPOCH_RESET):
        cut = tuple(train.CHECKPOINT_CLEAR_NAME_PATTERN)
        return _continue(state, located(file), cut, num_epochs=cfg.SOLVER.MAX_EPOCH)
    if file:
        report = load_start(state.model, file, build_start_options(cfg, cut=True))
    # 3. Random weights.
    elif (name := cfg.TIMESFORMER.PRETRAINED_MODEL).lower() == "none":
        report = "random (TIMESFORMER.PRETRAINED_MODEL none)"
    # 4. Image weights, by the first process alone: wrapping in DDP hands its weights to the others.
    elif collectives.is_main():
        report = load_start(state.model, name, build_start_options(cfg))
    if report is not None:
        log.say(logger, "%s", run_header.weights(report))
    return Start.of_epoch(0)


def _log_resumed(
    resumed: Resumed, state: TrainState, newest: Path, num_epochs: int, *, tests: bool
) -> None:
    epoch, batch = resumed.position
    if epoch >= num_epochs or state.early_stopping.is_over:
        again = "testing again" if tests else "nothing to do"
        log.say(logger, "finished already, after epoch %d (%s); %s", epoch, newest, again)
    else:
        where = f"resuming after {batch} batches of epoch {epoch + 1}"
        log.say(logger, "%s", run_header.weights(resumed.report, f"{where}: "))


def _continue(
    state: TrainState, path: Path, cut_from_names: tuple[str, ...], *, num_epochs: int
) -> Start:
    """Continue the training of another run; its best validation is not that of this one."""
    resumed = state.load_weights(Checkpoint.read(path), cut_from_names=cut_from_names)
    epoch = resumed.payload["epoch"] + 1
    if epoch >= num_epochs:
        raise CheckpointError(
            f"{path} is of epoch {epoch}, and SOLVER.MAX_EPOCH is {num_epochs}: "
            "nothing is left to train; set TRAIN.FINETUNE True to start from its weights at epoch "
            "0, or raise MAX_EPOCH"
        )
    log.say(logger, "%s", run_header.weights(resumed.report, f"continuing after epoch {epoch}: "))
    return Start.of_epoch(epoch)


def described_start(cfg: CfgNode) -> dict[str, Any]:
    """The entry of a checkpoint about what its run started from, as the first process sees it."""
    found = {}
    if collectives.is_main():
        run = build_run_settings(cfg)
        newest = standing(run).newest
        found = {KEY: identify(run.starts_from, start_of(newest) if newest else None)}
    return cast(dict[str, Any], collectives.broadcast_object(found))
