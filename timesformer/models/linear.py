"""Linear layers by the fastest exact routine, without keeping what is cheap to compute again.

A product must keep its input for the gradient of its weight. Where the input is a norm or a GELU, what
it was made of is kept anyway, so ``product_of`` drops the input and computes it once more.
"""

import contextlib
import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import is_autocast_available
from torch.autograd.function import once_differentiable
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F


class Linear(nn.Linear):
    """``nn.Linear`` through ``linear``."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """X W^T + b, (..., I) -> (..., O), as ``torch.nn.functional.linear`` up to rounding.

    In fp32 on a CPU it is oneDNN that multiplies, instead of MKL: 5 to 15 % less time forward and for
    the gradient of x in a base model's sizes (AMD Zen 4, 2 cores, torch 2.15); for the gradient of the
    weight MKL is the faster. It has first derivatives only.
    """
    if not _is_for_onednn(x, weight):
        return F.linear(x, weight, bias)
    return _OneDNNLinear.apply(x, weight, bias)


def product_of(
    make: Callable[..., Tensor], *sources: Tensor, layer: Callable[[Tensor], Any], lean: bool
) -> Any:
    """``layer(make(*sources))``; if ``lean``, it keeps the sources and not what was made of them.

    Args:
        make: a cheap operation without random numbers, which needs its sources for their gradients.
        sources: nobody may change them in place before the backward pass.
        layer: linear layers, or anything else that saves its input.
        lean: False where memory is of no concern, or activations are recomputed anyway.
    """
    made = make(*sources)
    if not lean or not torch.is_grad_enabled() or torch.compiler.is_compiling():
        return layer(made)  # a compiler decides by itself what to keep
    device = made.device.type
    if is_autocast_available(device) and torch.is_autocast_enabled(
        device
    ):  # else the layer would save a copy of its own
        made = made.to(torch.get_autocast_dtype(device))
    again = _Again(make, sources, made)
    with saved_tensors_hooks(again.pack, again.unpack):
        return layer(made)


def without_autocast(device: str) -> AbstractContextManager[Any]:
    """Context in which nothing is cast; tensors without data (``meta``) never are."""
    if device == "meta":  # is_autocast_available says so too, but PyTorch 2.11 cannot compile it
        return contextlib.nullcontext()
    return torch.autocast(device, enabled=False)


class _Again:
    """What is saved of one tensor: how it was made."""

    def __init__(
        self, make: Callable[..., Tensor], sources: tuple[Tensor, ...], made: Tensor
    ) -> None:
        self.make = make
        self.sources = [source.detach() for source in sources]
        self.versions = [source._version for source in self.sources]
        self.dtype = made.dtype
        self.storage = _storage(made)
        self.saved = self.left = 0  # how often it was saved, and not asked for yet
        self.made: Tensor | None = None

    def pack(self, tensor: Tensor) -> Any:
        if _storage(tensor) != self.storage:
            return tensor
        self.saved += 1
        self.left = self.saved
        return tensor.size(), tensor.stride(), tensor.storage_offset()

    def unpack(self, kept: Any) -> Tensor:
        if isinstance(kept, Tensor):
            return kept
        if [source._version for source in self.sources] != self.versions:
            raise RuntimeError("a tensor that is to be computed again was changed in place")
        if self.made is None:
            self.made = self.make(*self.sources).to(self.dtype)
        made = self.made
        self.left -= 1
        if not self.left:
            self.made, self.left = None, self.saved
        return made.as_strided(*kept)


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


class _OneDNNLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _multiply(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        for_x, for_weight, for_bias = ctx.needs_input_grad
        rows = grad.flatten(0, -2)
        weight_grad = rows.mT @ x.flatten(0, -2) if for_weight else None
        del x  # before more is allocated: what was made again is free now
        x_grad = _multiply(grad, weight.mT, None) if for_x else None
        return x_grad, weight_grad, rows.sum(dim=0) if for_bias else None


def _multiply(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The operation that torch.compile, too, puts in the place of a linear layer on a CPU."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def _is_for_onednn(x: Tensor, weight: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and x.ndim > 1
        and x.numel() > 0
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
        and _has_onednn()
    )


@functools.cache
def _has_onednn() -> bool:
    """Whether there are both libraries, oneDNN as well as the MKL that it replaces."""
    return (
        torch.backends.mkl.is_available()
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
