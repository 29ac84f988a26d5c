"""A batch that does not fit into memory is computed in parts: the same samples, the same gradients.

A batch that runs out of memory is computed again in twice as many parts, and so are all that follow.
The loss of a part is weighted by its share of the clips, so that the gradients are those of the whole
batch; mixup comes before the cut. Only random draws for each clip (drop path, dropout) differ, as with
another seed.

All processes cut together. During the first steps of a new size gradients stay local until every process
has them, and are then averaged. Later they are exchanged during the backward pass, and only a single
process can try again.
"""

import logging
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor, nn

from timesformer.engine.fsdp import is_sharded
from timesformer.engine.parallel import gradient_exchange
from timesformer.engine.sync_batchnorm import is_synchronized
from timesformer.errors import InputError
from timesformer.runtime import collectives

logger = logging.getLogger(__name__)

TRIAL_STEPS = 2  # optimizer steps: the first one allocates the state of the optimizer

Forward = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # clips, targets -> loss, logits
Backward = Callable[[Tensor], None]


class OutOfMemory(InputError, RuntimeError):
    """A batch that cannot be cut further; the message has the remedy."""


class MicroBatches:
    """Forward and backward passes of a wrapped model, in as many parts as memory requires."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        # Its processes wait for each other in the forward pass: none can try again alone.
        self.exchanges = is_sharded(model) or is_synchronized(model)
        self.parts = 1
        self.steps_on_trial = TRIAL_STEPS

    def run(
        self, forward: Forward, backward: Backward, clips: Tensor, targets: Tensor, *, is_last: bool
    ) -> tuple[Tensor, Tensor]:
        """Accumulate the gradients of a batch; ``is_last`` exchanges those of its group.

        Args:
            forward: to the loss, a mean over the clips that it gets, and logits (B, K).
            backward: of a loss.
            clips: (B, ...).
            targets: (B,) or (B, K).
            is_last: whether an optimizer step follows.

        Returns the detached loss of the batch, and logits (B, K).

        Raises:
            OutOfMemory: even single clips do not fit, or the other processes cannot be asked.
        """
        while True:
            protected = self._is_protected()
            earlier = _copy_gradients(self.model) if protected else []
            found, reason = None, ""
            try:
                exchange = is_last and not protected
                found = self._compute(forward, backward, clips, targets, exchange=exchange)
            except torch.OutOfMemoryError as error:
                reason = str(error).partition("\n")[0]
            if not protected and found is None:
                raise OutOfMemory(f"{reason}; {_REMEDY}")
            if not protected or not any(collectives.gather(found is None)):
                break
            _put_gradients(self.model, earlier)
            self._cut(len(clips), reason)
        if protected and is_last:
            _average_gradients(self.model)
            self.steps_on_trial = max(self.steps_on_trial - 1, 0)
        assert found is not None
        return found

    def _is_protected(self) -> bool:
        """Whether a batch may be tried again: nothing of it reaches other processes before it is done."""
        if self.exchanges:
            return False
        if self.steps_on_trial:
            return True
        return not collectives.is_distributed() and not _has_gradients(self.model)

    def _compute(
        self,
        forward: Forward,
        backward: Backward,
        clips: Tensor,
        targets: Tensor,
        *,
        exchange: bool,
    ) -> tuple[Tensor, Tensor]:
        size = -(-len(clips) // self.parts)
        starts = range(0, len(clips), size)
        losses, logits = [], []
        for start in starts:
            part = slice(start, start + size)
            with gradient_exchange(self.model, now=exchange and start == starts[-1]):
                loss, of_part = forward(clips[part], targets[part])
                loss = loss * (len(of_part) / len(clips))
                backward(loss)
            losses.append(loss.detach())
            logits.append(of_part.detach())
        return torch.stack(losses).sum(), torch.cat(logits)

    def _cut(self, num_clips: int, reason: str) -> None:
        if self.parts >= num_clips:
            raise OutOfMemory(f"a single clip does not fit into memory: {reason}; {_REMEDY}")
        before = -(-num_clips // self.parts)
        self.parts = min(2 * self.parts, num_clips)
        self.steps_on_trial = TRIAL_STEPS
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        logger.warning(
            "out of memory with %d clips at once%s; from now on the %d clips of a batch are computed "
            "%d at a time: the same samples and gradients, smaller parts",
            before,
            f" ({reason})" if reason else " on another process",
            num_clips,
            -(-num_clips // self.parts),
        )


_REMEDY = (
    "lower TRAIN.BATCH_SIZE (GLOBAL_BATCH_SIZE stays the same), or set TRAIN.ACTIVATION_CHECKPOINT 1; "
    "the newest checkpoint is kept"
)


def _trained(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _has_gradients(model: nn.Module) -> bool:
    return any(parameter.grad is not None for parameter in _trained(model))


def _copy_gradients(model: nn.Module) -> list[Tensor | None]:
    """Gradients of the earlier batches of the group, on the CPU, since memory may be short."""
    if not _has_gradients(model):
        return []
    grads = [parameter.grad for parameter in _trained(model)]
    return [None if grad is None else grad.detach().to("cpu", copy=True) for grad in grads]


def _put_gradients(model: nn.Module, grads: list[Tensor | None]) -> None:
    """Restore the gradients before a failed attempt; none if ``grads`` is empty."""
    parameters = _trained(model)
    for parameter, grad in zip(parameters, grads or [None] * len(parameters), strict=True):
        if grad is None:
            parameter.grad = None
        elif parameter.grad is not None:
            parameter.grad.copy_(grad)


def _average_gradients(model: nn.Module) -> None:
    if not collectives.is_distributed():
        return
    for parameter in _trained(model):
        if parameter.grad is not None:
            dist.all_reduce(parameter.grad)
            parameter.grad /= collectives.world_size()
