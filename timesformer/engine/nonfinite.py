"""Optimizer steps whose loss or gradient is not finite: skipped, counted, and recorded in files.

A skipped step leaves weights and optimizer as they were. SOLVER.MAX_NONFINITE_STEPS of them in a row
mean that the weights themselves are bad. Once in a run they are replaced by those of a checkpoint, and
training continues with the batches that follow, so that the cause is not repeated. The next time the
run ends.

Steps that were not skipped are counted. A checkpoint with as many good steps as the run holds the same
bad weights, whenever it was written; so the newest one with fewer is loaded.

The device knows which steps were skipped; it is asked where a log line waits for it anyway.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from timesformer.checkpoint.load import CheckpointError
from timesformer.files import CONFIG, write_atomically
from timesformer.io.json_text import json_text
from timesformer.runtime import collectives

logger = logging.getLogger(__name__)

MAX_FILES = 100  # of a process; more steps are only counted


class StepResult(NamedTuple):
    """An optimizer step: the norm of the gradients before clipping, and 1 if it was skipped.

    Scalars on the device; ``skipped`` is the same on all processes.
    """

    norm: Tensor
    skipped: Tensor


class _Batch(NamedTuple):
    epoch: int
    number: int
    videos: tuple[int, ...]  # indices in the list
    loss: Tensor


class NonFiniteGuard:
    """Keeps the batches of the last steps until it is known whether these were skipped.

    Args:
        folder: for a file about each skipped step.
        limit: skipped steps in a row after which the weights go back.
    """

    def __init__(self, folder: Path, *, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self.in_a_row = 0
        self.good_steps = 0  # of the whole run
        self.went_back = False
        self._files = 0
        self._batches: list[_Batch] = []
        self._steps: list[tuple[StepResult, list[_Batch]]] = []

    def record(
        self, epoch: int, batch: int, videos: Tensor, loss: Tensor, step: StepResult | None
    ) -> None:
        """Keep a batch, both counted from 0, and the ``step`` that it has completed, if any."""
        self._batches.append(_Batch(epoch, batch, tuple(videos.unique().tolist()), loss))
        if step is not None:
            self._steps.append((step, self._batches))
            self._batches = []

    def check(self, name_of: Callable[[int], str], go_back: Callable[[], str]) -> None:
        """Write down the steps skipped since the last check; act if there are too many in a row.

        All processes call it together. ``go_back`` takes the weights of the newest checkpoint of fewer
        good steps and returns its name, or raises CheckpointError.

        Raises:
            FloatingPointError: too many in a row, and going back is impossible or did not help.
        """
        steps, self._steps = self._steps, []
        if not steps:
            return
        too_many = False
        flags = torch.stack([step.skipped for step, _ in steps]).tolist()
        for skipped, (step, batches) in zip(flags, steps, strict=True):
            self.in_a_row = self.in_a_row + 1 if skipped else 0
            self.good_steps += not skipped
            too_many |= self.in_a_row >= self.limit
            if skipped:
                self._write(float(step.norm), batches, name_of)
        if too_many:
            self._act(steps[-1][1][-1], go_back)

    def _act(self, last: _Batch, go_back: Callable[[], str]) -> None:
        self.in_a_row = 0
        reason = (
            f"loss or gradient was not finite in {self.limit} steps in a row, up to epoch "
            f"{last.epoch + 1}, batch {last.number + 1}"
        )
        try:
            older = "" if self.went_back else go_back()
            failure = "again, after going back once"
        except CheckpointError as error:
            older, failure = "", f"and {error}"
        if not older:
            raise FloatingPointError(
                f"{reason}; {failure}. See {self.folder}; lower SOLVER.BASE_LR, lengthen "
                "SOLVER.WARMUP_EPOCHS or set SOLVER.CLIP_GRAD_NORM, and start again (--override to "
                "resume with other values)"
            )
        self.went_back = True
        logger.warning(
            "%s: continuing with the weights of %s and the batches that follow", reason, older
        )

    def _write(self, norm: float, batches: list[_Batch], name_of: Callable[[int], str]) -> None:
        first = batches[0]
        name = f"epoch_{first.epoch + 1:05d}_batch_{first.number + 1:06d}"
        if collectives.rank():
            name += f"_process_{collectives.rank()}"
        losses = [float(batch.loss) for batch in batches]
        path = self.folder / f"{name}.json"
        logger.warning(
            "step skipped, loss or gradient is not finite: epoch %d, batch %d, loss %s, gradient norm "
            "%s; its videos: %s",
            first.epoch + 1, first.number + 1, losses, norm, path,
        )  # fmt: skip
        self._files += 1
        if self._files > MAX_FILES:
            return
        about = {
            "epoch": first.epoch + 1,
            "batches": [batch.number + 1 for batch in batches],
            "losses": losses,
            "grad_norm": norm,
            "process": collectives.rank(),
            "videos": [[name_of(index) for index in batch.videos] for batch in batches],
            "config": f"{CONFIG}; the draws of a batch follow from RNG_SEED, epoch and batch",
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as file:
            file.write(json_text(about) + "\n")

    def state_dict(self) -> dict[str, Any]:
        return {
            "in_a_row": self.in_a_row,
            "good_steps": self.good_steps,
            "went_back": self.went_back,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.in_a_row, self.went_back = state["in_a_row"], state["went_back"]
        self.good_steps = state.get("good_steps", 0)  # older files do not say
