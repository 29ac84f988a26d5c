"""The arithmetic of an optimizer step: batches to gradients, gradients to weights."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from timesformer.datasets.clips import Batch
from timesformer.engine.losses import Loss, Mix
from timesformer.engine.microbatch import MicroBatches
from timesformer.engine.nonfinite import StepResult
from timesformer.engine.train_state import TrainState


class BatchResult(NamedTuple):
    """Loss and logits of one batch: detached, on the device, without a sync."""

    loss: Tensor  # a scalar, mean over the clips
    logits: Tensor  # (B, K)
    labels: Tensor  # (B,) or (B, K), not mixed


class TrainStep:
    """Forward, backward and update of one model.

    Args:
        model: that of ``state``, wrapped.
        state: optimizer, precision and moving average.
        device: of the model.
        normalize: uint8 clips (B, 3, T, H, W) to floats.
        mix: clips and labels to mixed clips and targets.
        loss: of logits (B, K) and targets.
        counted: logits (B, K) and labels to the logits that errors are counted of.
    """

    def __init__(
        self,
        model: nn.Module,
        state: TrainState,
        device: torch.device,
        *,
        normalize: Callable[[Tensor], Tensor],
        mix: Mix,
        loss: Loss,
        counted: Callable[[Tensor, Tensor], Tensor] = lambda logits, labels: logits,
    ) -> None:
        self.model = model
        self.state = state
        self.prefetch = DevicePrefetcher(device)
        self.normalize = normalize
        self.mix = mix
        self.loss = loss
        self.counted = counted
        self.micro_batches = MicroBatches(model)

    def accumulate(self, batch: Batch, group: int, *, is_last: bool) -> BatchResult:
        """Add the gradients of a batch, one of ``group`` that make a step; the last exchanges them."""
        clips, labels = self.prepare(batch)
        mixed, targets = self.mix(clips, labels)
        loss, logits = self.micro_batches.run(
            self.forward, lambda loss: self.backward(loss / group), mixed, targets, is_last=is_last
        )
        return BatchResult(loss, self.counted(logits, labels), labels)

    def prepare(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Clips, normalised, and labels, on the device."""
        batch = self.prefetch(batch)
        return self.normalize(batch.clips), batch.labels

    def forward(self, clips: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean loss of clips, normalised and mixed, and their logits (B, K)."""
        with self.state.precision.autocast():
            logits = self.model(clips)
        return self.loss(logits.float(), targets), logits

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of ``loss``."""
        self.state.precision.backward(loss)

    def update(self, losses: Sequence[Tensor]) -> StepResult:
        """Update the weights by the gradients of a group, unless one of its ``losses`` is not finite."""
        return self.state.step(torch.stack([loss.isfinite() for loss in losses]).all())


class DevicePrefetcher:
    """Copies batches to one device.

    A GPU computes behind the program, so a batch is there to copy while the one before is still being
    computed. From pinned memory it goes through a stream of its own, beside that work.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def __call__(self, batch: Batch) -> Batch:
        """``batch`` with clips and labels on the device."""
        if self.stream is None:
            return batch
        with torch.cuda.stream(self.stream):
            clips = batch.clips.to(self.device, non_blocking=True)
            labels = batch.labels.to(self.device, non_blocking=True)
        computing = torch.cuda.current_stream(self.device)
        computing.wait_stream(self.stream)
        for tensor in (clips, labels):
            tensor.record_stream(computing)  # its memory is not reused before that work is done
        return batch._replace(clips=clips, labels=labels)
