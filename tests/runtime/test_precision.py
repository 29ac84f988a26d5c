"""The scaled fp16 step against the plain one; what the machine cannot compute is said."""

import pytest
import torch
from torch import nn

from timesformer.runtime import precision
from timesformer.runtime.precision import Precision, precision_problems

CPU = torch.device("cpu")


@pytest.fixture
def subject():
    """A linear layer with its optimizer, and the loss of a fixed input."""
    torch.manual_seed(0)
    layer = nn.Linear(4, 3)
    x = torch.randn(2, 4)
    return layer, torch.optim.SGD(layer.parameters(), lr=0.1), lambda: layer(x).square().mean()


def weights_after(name, layer, optimizer, loss, *, unscale=False):
    start = {key: value.clone() for key, value in layer.state_dict().items()}
    arithmetic = Precision(name, CPU)
    arithmetic.backward(loss())
    if unscale:
        arithmetic.unscale(optimizer)
    arithmetic.step(optimizer)
    optimizer.zero_grad()
    after = layer.weight.detach().clone()
    layer.load_state_dict(start)
    return after


@pytest.mark.parametrize("unscale", [False, True])
def test_a_scaled_step_is_the_plain_step(subject, unscale):
    layer, optimizer, loss = subject
    before = layer.weight.detach().clone()
    loss().backward()
    plain = before - 0.1 * layer.weight.grad
    optimizer.zero_grad()
    for name in ("fp32", "bf16", "fp16"):
        after = weights_after(name, *subject, unscale=unscale)
        assert torch.allclose(after, plain, atol=1e-6), name
        assert not torch.equal(after, before)


def test_unscaled_gradients_are_those_of_the_loss(subject):
    layer, optimizer, loss = subject
    (expected,) = torch.autograd.grad(loss(), layer.weight)
    arithmetic = Precision("fp16", CPU)
    arithmetic.backward(loss())
    assert not torch.allclose(layer.weight.grad, expected)
    arithmetic.unscale(optimizer)
    assert torch.allclose(layer.weight.grad, expected)


def test_an_overflow_leaves_the_step_out_and_halves_the_scale(subject):
    layer, optimizer, loss = subject
    before = layer.weight.detach().clone()
    arithmetic = Precision("fp16", CPU)
    arithmetic.backward(loss() * torch.inf)
    scale = arithmetic.scaler.get_scale()
    arithmetic.step(optimizer)
    assert torch.equal(layer.weight, before)
    assert arithmetic.scaler.get_scale() == scale / 2


def test_the_scale_comes_back(subject):
    _, optimizer, loss = subject
    arithmetic = Precision("fp16", CPU)
    arithmetic.backward(loss() * torch.inf)
    arithmetic.step(optimizer)
    resumed = Precision("fp16", CPU)
    resumed.load_state_dict(arithmetic.state_dict())
    assert resumed.scaler.get_scale() == arithmetic.scaler.get_scale() == 2.0**15
    resumed.load_state_dict(Precision("bf16", CPU).state_dict())  # saved by another precision
    assert resumed.scaler.get_scale() == 2.0**15
    Precision("fp32", CPU).load_state_dict(arithmetic.state_dict())


@pytest.mark.parametrize(
    ("name", "kind"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_products_have_the_named_type(name, kind):
    with Precision(name, CPU).autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == kind


def test_an_old_gpu_is_named_before_the_run(monkeypatch):
    wanted = {"TRAIN.PRECISION": "bf16", "TEST.PRECISION": "tf32"}
    monkeypatch.setattr(precision.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(precision.torch.cuda, "get_device_name", lambda: "Tesla V100")
    monkeypatch.setattr(precision.torch.cuda, "get_device_capability", lambda: (7, 0))
    assert list(precision_problems(wanted)) == [
        "TRAIN.PRECISION is bf16, but Tesla V100 has none; pass fp16",
        "TEST.PRECISION is tf32, but Tesla V100 has none; pass fp32",
    ]
    monkeypatch.setattr(precision.torch.cuda, "get_device_capability", lambda: (8, 0))
    assert not list(precision_problems(wanted))


@pytest.mark.cuda
def test_tf32_rounds_on_a_gpu_and_fp32_does_not():
    device = torch.device("cuda")
    a = torch.randn(512, 512, device=device)
    exact = a.double() @ a.double()
    errors = {}
    for name in ("tf32", "fp32"):
        Precision(name, device)
        errors[name] = (a @ a - exact).abs().max().item()
    assert errors["fp32"] * 10 < errors["tf32"]
