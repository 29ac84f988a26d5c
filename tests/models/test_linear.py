"""Products against PyTorch's own."""

import pytest
import torch
from torch.nn import functional as F

from timesformer.models import linear as linear_module
from timesformer.models.linear import linear

SHAPES = [(7, 6), (2, 5, 6), (1, 2, 3, 4, 6)]


def operands(shape, dtype=torch.float32):
    torch.manual_seed(0)
    x, weight, bias = (torch.randn(s, dtype=dtype) for s in (shape, (4, 6), (4,)))
    return [tensor.requires_grad_() for tensor in (x, weight, bias)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("with_bias", [True, False])
def test_a_product_and_its_gradients_are_those_of_pytorch(shape, with_bias):
    ours, theirs = operands(shape), operands(shape)
    grad = torch.randn(*shape[:-1], 4)
    for call, (x, weight, bias) in ((linear, ours), (F.linear, theirs)):
        call(x, weight, bias if with_bias else None).backward(grad)
    for a, b in zip(ours, theirs, strict=True):
        assert (a.grad is None) == (b.grad is None)
        assert a.grad is None or torch.allclose(a.grad, b.grad, atol=1e-5)


def test_rows_that_lie_apart_and_transposed_gradients_are_multiplied_right():
    x, weight, bias = operands((8, 5, 6))
    first = x[:, :2]
    y = linear(first, weight, bias)
    assert torch.allclose(y, F.linear(first, weight, bias), atol=1e-5)
    (got,) = torch.autograd.grad(y.mT.contiguous().sin().sum(), weight)
    (expected,) = torch.autograd.grad(F.linear(first, weight, bias).sin().sum(), weight)
    assert torch.allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("learns", ["x", "weight", "bias", None])
def test_only_what_learns_gets_a_gradient(learns):
    tensors = dict(zip(("x", "weight", "bias"), operands((3, 6)), strict=True))
    for name, tensor in tensors.items():
        tensor.requires_grad_(name == learns)
    y = linear(*tensors.values())
    assert y.requires_grad == (learns is not None)
    if learns:
        y.sum().backward()
    assert [name for name, tensor in tensors.items() if tensor.grad is not None] == (
        [learns] if learns else []
    )


def test_onednn_multiplies_fp32_on_a_cpu_and_nothing_else(monkeypatch):
    if not linear_module._has_onednn():
        pytest.skip("this PyTorch lacks MKL or oneDNN")
    calls = []
    multiply = linear_module._multiply
    monkeypatch.setattr(linear_module, "_multiply", lambda *a: calls.append(1) or multiply(*a))
    x, weight, bias = operands((3, 6))
    linear(x, weight, bias)
    assert len(calls) == 1
    linear(*operands((3, 6), torch.float64))
    linear(x[0], weight, bias)
    assert linear(x[:0], weight, bias).shape == (0, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(x, weight, bias).dtype == torch.bfloat16
    meta = (tensor.to("meta") for tensor in (x, weight, bias))
    assert linear(*meta).shape == (3, 4)
    monkeypatch.setattr(linear_module, "_has_onednn", lambda: False)
    assert torch.allclose(linear(x, weight, bias), F.linear(x, weight, bias))
    assert len(calls) == 1


def test_a_second_derivative_is_refused_and_never_wrong():
    x, weight, bias = operands((3, 6))
    (grad,) = torch.autograd.grad(linear(x, weight, bias).square().sum(), x, create_graph=True)
    if linear_module._has_onednn():
        with pytest.raises(RuntimeError, match="once_differentiable"):
            grad.sum().backward()
