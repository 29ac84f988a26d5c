"""Batch norms over the clips of all processes: N processes train as one does (DIST.SYNC_BATCHNORM).

PyTorch has them for GPUs alone. On a CPU plain operations compute, between which sums are exchanged.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from timesformer.models.classifier import Classifier
from timesformer.models.rewrite import rewrite
from timesformer.runtime import collectives


def synchronize(model: Classifier, device: torch.device) -> Classifier:
    """``model`` on ``device``, whose batch norms take the statistics of all processes where they train."""
    return rewrite(model, _BatchNorm, OnCPU if device.type == "cpu" else OnGPU)


def is_synchronized(model: nn.Module) -> bool:
    """Whether processes exchange something in the forward pass of ``model``."""
    return any(isinstance(module, OnCPU | OnGPU) for module in model.modules())


class OnGPU(nn.SyncBatchNorm):
    """PyTorch's, in front of the class of a batch norm."""

    process_group = None  # all processes

    def forward(self, x: Tensor) -> Tensor:
        return _activated(self, super().forward(x))


class OnCPU(_BatchNorm):
    """The same for processes with equally many clips each."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        return _activated(self, self._normalized(x))

    def _normalized(self, x: Tensor) -> Tensor:
        """(N, C, ...) with mean 0 and variance 1 over the clips and places of all processes."""
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        mean = _mean_over_processes(values)
        centred = values - _as_channels(mean, x)
        var = _mean_over_processes(centred.square())
        if self.track_running_stats:
            self._record(mean, var, x.numel() // x.shape[1] * collectives.world_size())
        made = centred * _as_channels((var + self.eps).rsqrt(), x)
        if self.affine:
            made = made * _as_channels(self.weight, x) + _as_channels(self.bias, x)
        return made.to(x.dtype)

    @torch.no_grad()
    def _record(self, mean: Tensor, var: Tensor, count: int) -> None:
        """Move the running statistics; the variance is that of a sample of ``count`` values."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = self.momentum
        if share is None:  # a mean over all batches
            share = 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(var * (count / max(count - 1, 1)), share)


def _activated(norm: nn.Module, x: Tensor) -> Tensor:
    """What a norm of timm does after it has normalised; that of PyTorch does nothing."""
    for name in ("drop", "act"):
        if (after := getattr(norm, name, None)) is not None:
            x = after(x)
    return x


class _Sum(torch.autograd.Function):
    """The sum over the processes; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return collectives.all_reduce_sum(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
        return collectives.all_reduce_sum(grad.contiguous())


def _mean_over_processes(x: Tensor) -> Tensor:
    """The mean over all but the channels, (N, C, ...) -> (C,)."""
    mean = x.mean(dim=[0, *range(2, x.ndim)])
    total: Tensor = _Sum.apply(mean)
    return total / collectives.world_size()


def _as_channels(values: Tensor, x: Tensor) -> Tensor:
    """(C,) -> (C, 1, ...), to be combined with ``x`` (N, C, ...)."""
    return values.view(-1, *[1] * (x.ndim - 2))
