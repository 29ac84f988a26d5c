"""Linear layers by the fastest exact routine."""

import contextlib
import functools
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """X W^T + b, (..., I) -> (..., O), as ``torch.nn.functional.linear`` up to rounding.

    In fp32 on a CPU it is oneDNN that multiplies, instead of MKL: 5 to 15 % less time forward and for
    the gradient of x in a base model's sizes (AMD Zen 4, 2 cores, torch 2.15); for the gradient of the
    weight MKL is the faster. It has first derivatives only.
    """
    if not _is_for_onednn(x, weight):
        return F.linear(x, weight, bias)
    product: Tensor = _OneDNNLinear.apply(x, weight, bias)
    return product


def without_autocast(device: str) -> AbstractContextManager[Any]:
    """Context in which nothing is cast; tensors without data (``meta``) never are."""
    if device == "meta":  # is_autocast_available says so too, but PyTorch 2.11 cannot compile it
        return contextlib.nullcontext()
    return torch.autocast(device, enabled=False)


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
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")  # type: ignore[no-any-return]


def _is_for_onednn(x: Tensor, weight: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and x.ndim > 1
        and x.numel() > 0
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
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
