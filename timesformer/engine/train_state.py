"""Everything of a training that changes while it runs: what a checkpoint holds to resume from.

The schedule and every random draw need no state. A learning rate follows from (epoch, batch); the
order of videos, clips and augmentation from (seed, epoch, video); dropout, drop path and mixup
from (seed, epoch, batch, process). So the position alone brings them back.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from timesformer.checkpoint import save
from timesformer.checkpoint.files import Checkpoint
from timesformer.checkpoint.resume import Resumed, load_train_state
from timesformer.config import CfgNode
from timesformer.engine.early_stopping import EarlyStopping
from timesformer.engine.ema import EMA
from timesformer.engine.nonfinite import NonFiniteGuard, StepResult
from timesformer.engine.optim import build_optimizer
from timesformer.files import NONFINITE
from timesformer.runtime import collectives
from timesformer.runtime.precision import Precision


def build_train_state(cfg: CfgNode, model: nn.Module, device: torch.device) -> "TrainState":
    """The state that a training begins with.

    Args:
        cfg: of the run.
        model: bare, on its device, frozen where it is to be; the same object is trained.
        device: of the model.
    """
    folder = Path(cfg.OUTPUT_DIR, NONFINITE)
    return TrainState(
        model=model,
        optimizer=build_optimizer(model, cfg),
        precision=Precision(cfg.TRAIN.PRECISION, device),
        ema=EMA(model, cfg.TRAIN.EMA_DECAY),
        early_stopping=EarlyStopping(cfg.SOLVER.EARLY_STOP_PATIENCE),
        guard=NonFiniteGuard(folder, limit=cfg.SOLVER.MAX_NONFINITE_STEPS),
        clip_norm=cfg.SOLVER.CLIP_GRAD_NORM,
    )


@dataclass(eq=False)
class TrainState:
    """The weights, the optimizer, the scale of the loss, the average and the best validation."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    precision: Precision
    ema: EMA
    early_stopping: EarlyStopping
    guard: NonFiniteGuard
    clip_norm: float  # of all gradients together; 0: no limit

    def step(self, finite: Tensor) -> StepResult:
        """Update the weights by the gradients, and delete these.

        Unless they, or the losses (``finite`` says of this process), are not finite: all processes
        skip the step then. With fp16 the scale of the loss decides about gradients.
        """
        self.precision.unscale(self.optimizer)
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = collectives.full_tensor(nn.utils.get_total_norm(gradients))
        bad = ~finite if self.precision.scaler.is_enabled() else ~(finite & norm.isfinite())
        skipped = (collectives.all_reduce_sum(bad.float()) > 0).float()
        if self.clip_norm:
            nn.utils.clip_grads_with_norm_(self.model.parameters(), self.clip_norm, norm)
        self._update(skipped)
        self.optimizer.zero_grad(set_to_none=True)
        self.ema.update()
        return StepResult(norm, skipped)

    def _update(self, skipped: Tensor) -> None:
        """A fused optimizer skips on the device; for another one the device is waited for."""
        if self.precision.scaler.is_enabled():
            self.precision.step(self.optimizer)
        elif all(group.get("fused") for group in self.optimizer.param_groups):
            self.optimizer.found_inf = skipped
            self.precision.step(self.optimizer)
        elif not skipped.item():
            self.precision.step(self.optimizer)

    def payload(self, *, is_sharded: bool = False) -> dict[str, Any]:
        """Entries of a checkpoint; tensors are the living ones. All processes call it together.

        Tensors that are sharded are put together, or stay so if it ``is_sharded``.
        """
        tensors = {
            "model_state": save.named_state(self.model),
            "optimizer_state": self.optimizer.state_dict(),
        }
        return {
            **(tensors if is_sharded else collectives.full_state_dict(tensors)),
            "scaler_state": self.precision.state_dict(),
            **self.ema.state_dict(),
            "best": self.early_stopping.state_dict(),
            "guard": self.guard.state_dict(),
        }

    def load(self, found: Checkpoint) -> Resumed:
        """Go on from a checkpoint of this run; entries that published files lack stay as they are.

        Raises:
            CheckpointError: see ``load_train_state``.
        """
        resumed = self.load_weights(found)
        for name, part in (("best", self.early_stopping), ("guard", self.guard)):
            if name in resumed.payload:
                part.load_state_dict(resumed.payload[name])
        return resumed

    def load_weights(self, found: Checkpoint, *, cut_from_names: tuple[str, ...] = ()) -> Resumed:
        """Of ``load`` what a step changes: weights, optimizer, scale of the loss, average."""
        resumed = load_train_state(found, self.model, self.optimizer, cut_from_names=cut_from_names)
        self.precision.load_state_dict(resumed.payload.get("scaler_state", {}))
        self.ema.load_state_dict(resumed.payload)
        return resumed
