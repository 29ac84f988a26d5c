"""Where a training starts: with which weights, and at which batch."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from torch import nn

from timesformer.checkpoint import resume_check
from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.newest import choose_newest
from timesformer.checkpoint.pretrained import load_start
from timesformer.checkpoint.run_folder import standing, start_of
from timesformer.checkpoint.save import Position
from timesformer.checkpoint.start import KEY, identity, located
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

    In this order: the newest valid checkpoint of OUTPUT_DIR (AUTO_RESUME; of a fine-tuning too, which
    the published code restarted), TRAIN.CHECKPOINT_FILE_PATH, TIMESFORMER.PRETRAINED_MODEL.

    Args:
        cfg: of the run.
        state: of the training; gets everything.
        now: what must be as in the checkpoint of OUTPUT_DIR, see ``agreement``.

    Raises:
        CheckpointError: what is named cannot be used, or the run differs from the one to resume.
    """
    newest = choose_newest(cfg.OUTPUT_DIR) if cfg.TRAIN.AUTO_RESUME else None
    if newest is not None:
        return _go_on(cfg, state, newest, now or {})
    if cfg.TRAIN.CHECKPOINT_FILE_PATH:
        return Start.of_epoch(_start_from_file(cfg, state))
    _load_pretrained(cfg, state.model)
    return Start.of_epoch(0)


def _go_on(cfg: CfgNode, state: TrainState, newest: Path, now: Mapping[str, Any]) -> Start:
    resumed = state.load(newest)
    resume_check.check_compatible(resumed.payload, cfg, now, path=newest)
    epoch, batch = resumed.position
    if epoch >= cfg.SOLVER.MAX_EPOCH or state.early_stopping.is_over:
        again = "testing again" if cfg.TEST.ENABLE else "nothing to do"
        log.say(logger, "finished already, after epoch %d (%s); %s", epoch, newest, again)
    else:
        where = f"resuming after {batch} batches of epoch {epoch + 1}"
        log.say(logger, "%s", run_header.weights(resumed.report, f"{where}: "))
    return Start(resumed.position, resumed.payload, newest)


def described_start(cfg: CfgNode) -> dict[str, Any]:
    """The entry of a checkpoint about what its run started from, as the first process sees it."""
    found = {}
    if collectives.is_main():
        there = standing(cfg)
        then = start_of(there.entries, there.newest) if there.newest else None
        found = {KEY: identity(cfg, then)}
    return cast(dict[str, Any], collectives.broadcast_object(found))


def _start_from_file(cfg: CfgNode, state: TrainState) -> int:
    path = located(cfg.TRAIN.CHECKPOINT_FILE_PATH)
    cut = tuple(cfg.TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN)
    if cfg.TRAIN.FINETUNE or cfg.TRAIN.CHECKPOINT_EPOCH_RESET:
        report = load_start(cfg, state.model, cfg.TRAIN.CHECKPOINT_FILE_PATH, cut=True)
        log.say(logger, "%s", run_header.weights(report))
        return 0
    resumed = state.load_weights(path, cut_from_names=cut)  # its best is that of another run
    epoch = resumed.payload["epoch"] + 1
    if epoch >= cfg.SOLVER.MAX_EPOCH:
        raise CheckpointError(
            f"{path} is of epoch {epoch}, and SOLVER.MAX_EPOCH is {cfg.SOLVER.MAX_EPOCH}: "
            "nothing is left to train; set TRAIN.FINETUNE True to start from its weights at epoch "
            "0, or raise MAX_EPOCH"
        )
    log.say(logger, "%s", run_header.weights(resumed.report, f"going on after epoch {epoch}: "))
    return epoch


def _load_pretrained(cfg: CfgNode, model: nn.Module) -> None:
    """By the first process alone: wrapping in DDP hands its weights to the others."""
    name = cfg.TIMESFORMER.PRETRAINED_MODEL
    if name.lower() == "none":
        log.say(logger, "%s", run_header.weights("random (TIMESFORMER.PRETRAINED_MODEL none)"))
    elif collectives.is_main():
        log.say(logger, "%s", run_header.weights(load_start(cfg, model, name)))
