"""When a training writes a checkpoint, and what is in it.

After the last step of an epoch that has a checkpoint or a validation, so that neither a validation
nor what happens during one is ever a loss; again after the validation, which is then not repeated;
every TRAIN.CHECKPOINT_STEPS steps inside an epoch; and after the step that a signal strikes.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from timesformer.checkpoint import save
from timesformer.checkpoint.async_save import AsyncWriter
from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.newest import read_newest
from timesformer.checkpoint.save import Position
from timesformer.config import CfgNode
from timesformer.config.schedule import is_due
from timesformer.engine import truncate_logs
from timesformer.engine.fsdp import is_sharded
from timesformer.engine.meters import EpochMeter
from timesformer.engine.train_state import TrainState
from timesformer.files import SHARDED, best_checkpoint, checkpoint_path
from timesformer.runtime import collectives, log, signals

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CheckpointSettings:
    """When and where a run writes checkpoints."""

    folder: str  # OUTPUT_DIR
    board: Path  # of TensorBoard events
    num_epochs: int
    period: int  # epochs between two checkpoints that stay
    eval_period: int  # epochs between two validations
    steps: int  # optimizer steps between two checkpoints inside an epoch; 0: none
    keep: int  # checkpoints of epochs; 0: all
    log_period: int  # batches
    is_sharded: bool


def build_checkpoint_schedule(
    cfg: CfgNode,
    state: TrainState,
    about: Mapping[str, Any],
    *,
    num_batches: int,
    video_name: Callable[[int], str],
    scalars: log.Scalars,
) -> "CheckpointSchedule":
    """The schedule of a run; see ``CheckpointSchedule``."""
    settings = CheckpointSettings(
        folder=cfg.OUTPUT_DIR,
        board=log.build_board_folder(cfg),
        num_epochs=cfg.SOLVER.MAX_EPOCH,
        period=cfg.TRAIN.CHECKPOINT_PERIOD,
        eval_period=cfg.TRAIN.EVAL_PERIOD,
        steps=cfg.TRAIN.CHECKPOINT_STEPS,
        keep=cfg.TRAIN.KEEP_CHECKPOINTS,
        log_period=cfg.LOG_PERIOD,
        is_sharded=cfg.DIST.SHARDED_CHECKPOINTS,
    )
    about = {"cfg": cfg.dump(), **about}
    return CheckpointSchedule(
        settings, state, about, num_batches=num_batches, video_name=video_name, scalars=scalars
    )


class CheckpointSchedule:
    """Writes the checkpoints of a run, by its first process; waits for the last one at its end.

    Args:
        settings: when and where.
        state: of the training.
        about: further entries of each checkpoint.
        num_batches: of an epoch.
        video_name: the name of a training video, for messages.
        scalars: written out before a checkpoint is.
    """

    def __init__(
        self,
        settings: CheckpointSettings,
        state: TrainState,
        about: Mapping[str, Any],
        *,
        num_batches: int,
        video_name: Callable[[int], str],
        scalars: log.Scalars,
    ) -> None:
        self.settings = settings
        self.state = state
        self.num_batches = num_batches
        self.scalars = scalars
        self.saver = AsyncWriter(settings.folder, keep=settings.keep)
        self.about = about
        self.newest: Path | None = None  # that this process wrote
        self.video_name = video_name
        self.lines = 0  # of the log in this epoch, so far
        self.steps = 0  # of the optimizer, since the process started
        if collectives.is_main():
            save.remove_leftovers(settings.folder)
            save.prune(settings.folder, settings.keep, state.guard.state_dict())  # makes room

    def __enter__(self) -> "CheckpointSchedule":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if error is None:
            self.saver.wait()
        elif (unwritten := self.saver.end()) and not save.vanished(self.settings.folder):
            logger.error("%s", unwritten)  # beside the reason for which the run ends

    def after_step(self, epoch: int, batch: int, meter: EpochMeter) -> None:
        """After an optimizer step: ``batch`` batches of 0-based ``epoch`` are done.

        Raises:
            Interrupted: a signal asked for the end; the checkpoint is on the disk.
            CheckpointError: an earlier checkpoint could not be written.
            FloatingPointError: see ``nonfinite``.
        """
        self.steps += 1
        period, ends = self.settings.steps, signals.agreed(failed=self.saver.failed())
        if ends:
            self.saver.wait()
        at_end, stays = batch == self.num_batches, self._is_due(epoch, self.settings.period)
        due = at_end and (stays or self._is_due(epoch, self.settings.eval_period))
        regular = period > 0 and self.steps % period == 0
        self._look(batch, now=at_end or ends or regular)
        if due or ends or (regular and not self.state.guard.in_a_row):
            inside = None if at_end and stays else batch
            path = self._path(epoch, inside)
            self._save([path], Position(epoch, batch), meter.state_dict())
        if ends:
            self.saver.wait()
            place = f"epoch {epoch + 1}, batch {batch} of {self.num_batches}"
            signals.end(f"after {place}; it is saved, the same command resumes there")

    def after_validation(self, epoch: int, *, is_best: bool) -> None:
        """The validation after 0-based ``epoch`` is judged: it is not to be repeated."""
        ends = self._is_due(epoch, self.settings.period) or self.state.early_stopping.is_over
        end = self._path(epoch)
        best = best_checkpoint(self.settings.folder)
        paths = [end] * ends + [best] * is_best
        if self.settings.is_sharded and ends:
            self._save(paths[:1], Position(epoch + 1, 0))
            del paths[0]
        if paths:
            self._save(paths, Position(epoch + 1, 0))

    def _path(self, epoch: int, batch: int | None = None) -> Path:
        run = self.settings
        return checkpoint_path(run.folder, epoch, batch=batch, is_sharded=run.is_sharded)

    def _look(self, batch: int, *, now: bool) -> None:
        """At the pace of the log, whether steps were skipped; all processes at once."""
        lines = batch // self.settings.log_period
        if now or lines != self.lines:
            self.state.guard.check(self.video_name, self._go_back)
        self.lines = lines

    def _go_back(self) -> str:
        """Take the weights and the optimizer of the newest checkpoint of fewer good steps; its name.

        Raises:
            CheckpointError: there is none that can be used, or the model is sharded.
        """
        self.saver.wait()
        older = read_newest(self.settings.folder, before=self.state.guard.good_steps)
        if older is None:
            raise CheckpointError("there is no checkpoint of other weights to go back to")
        if is_sharded(self.state.model):
            raise CheckpointError(
                "a sharded model (DIST.STRATEGY fsdp) does not go back while it runs: move the "
                f"checkpoints that are newer than {older.path} away"
            )
        self.state.load_weights(older)
        return str(older.path)

    def _is_due(self, epoch: int, period: int) -> bool:
        return is_due(epoch, period, self.settings.num_epochs)

    def _save(
        self, paths: list[Path], position: Position, meter: dict[str, Any] | None = None
    ) -> None:
        """The same content to all ``paths``; ``meter``: of the epoch, inside it.

        A folder is written by all processes, alone; files by the first.
        """
        self.saver.wait()
        if paths[0] != best_checkpoint(self.settings.folder):
            self.newest = paths[0]
        is_folder = paths[0].suffix == SHARDED
        entries = self.state.payload(is_sharded=is_folder)
        if not (is_folder or collectives.is_main()):
            return
        self.scalars.flush()
        finished = position.epoch if position.batch == self.num_batches else position.epoch - 1
        payload = {
            "epoch": finished,
            **entries,
            **self.about,
            "position": position._asdict(),
            "written": truncate_logs.sizes(Path(self.settings.folder), self.settings.board),
        } | ({"meter": meter} if meter else {})
        if is_folder:
            self.saver.save_sharded(payload, paths[0])
        else:
            self.saver.save(payload, paths[0], also=paths[1:])
