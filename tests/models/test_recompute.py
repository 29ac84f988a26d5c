"""Activations that are computed again give the gradients that autograd gives by itself."""

import contextlib
import gc
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from timesformer.models.block import Block
from timesformer.models.recompute import (
    Checkpointed,
    RecomputingBlock,
    checkpointed,
    recompute_cheap,
    recomputed,
    recomputing,
)


def context(is_active):
    return recomputing() if is_active else contextlib.nullcontext()


@pytest.mark.parametrize("autocast", [False, True])
def test_a_recomputed_tensor_gives_the_same_gradients(autocast):
    torch.manual_seed(0)
    norm, layers = nn.LayerNorm(6), [nn.Linear(6, 4), nn.Linear(6, 4)]
    source = torch.randn(3, 5, 6, requires_grad=True)
    parameters = [source, *norm.parameters(), *(p for layer in layers for p in layer.parameters())]
    results = []
    for is_active in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast), context(is_active):
            made = recomputed(norm, source)
            a, b = (layer(made) for layer in layers)
        results.append([a, b, *torch.autograd.grad(a.sin().sum() + b.cos().sum(), parameters)])
    error = 2e-2 if autocast else 0.0  # the 16-bit gradients are added in 16 bits
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a, b, rtol=error, atol=error)


@pytest.mark.parametrize(("is_active", "held"), [(False, True), (True, False)])
def test_a_recomputed_tensor_is_not_kept(is_active, held):
    source, layer, made = torch.randn(50, 6, requires_grad=True), nn.Linear(6, 4), []

    def make(x):
        y = F.gelu(x)
        made.append(weakref.ref(y.untyped_storage()))
        return y

    with context(is_active):
        result = layer(recomputed(make, source))
    assert (made[0]() is not None) == held
    result.sum().backward()
    assert len(made) == 1 + is_active
    assert made[-1]() is None


def test_it_is_made_once_for_all_layers_and_again_in_another_backward_pass():
    source, layers = torch.randn(5, 6, requires_grad=True), [nn.Linear(6, 4) for _ in range(3)]
    calls = []
    with recomputing():
        made = recomputed(lambda x: calls.append(1) or x.sin(), source)
        y = sum(layer(made) for layer in layers)
    del made
    for expected in (2, 3):
        y.sum().backward(retain_graph=True)
        assert len(calls) == expected


def test_a_source_that_was_changed_in_place_is_an_error():
    source, layer = torch.randn(5, 6), nn.Linear(6, 4)
    with recomputing():
        y = layer(recomputed(torch.sin, source))
    source.add_(1)
    with pytest.raises(RuntimeError, match="computed again was changed in place"):
        y.sum().backward()


def test_nothing_is_recomputed_without_gradients():
    source, layer = torch.randn(5, 6), nn.Linear(6, 4)
    with torch.inference_mode(), recomputing():
        y = layer(recomputed(torch.sin, source))
    assert torch.equal(y, layer(source.sin()))


def test_a_forward_pass_without_a_backward_pass_leaves_nothing_in_memory():
    """Results that their own operation keeps, as those of a softmax, would refer to themselves."""
    source, kept = torch.randn(5, 6, requires_grad=True), []
    with recomputing():
        y = nn.Linear(6, 4)(recomputed(torch.sin, source)).softmax(dim=-1).exp()
        kept.append(weakref.ref(y.untyped_storage()))
    del y
    gc.collect()
    assert kept[0]() is None


def block(**kwargs):
    torch.manual_seed(0)
    return Block(8, num_heads=2, mlp_ratio=2.0, scheme="divided_space_time", **kwargs)


def test_a_checkpointed_block_is_not_recomputed_twice():
    made = recompute_cheap(checkpointed(block()))
    assert isinstance(made, Checkpointed)
    assert not isinstance(made, RecomputingBlock)


def test_a_batch_norm_counts_a_batch_once():
    torch.manual_seed(0)
    states = []
    for wrap in (lambda module: module, checkpointed):
        torch.manual_seed(0)
        net = wrap(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)))
        net(torch.randn(5, 3)).square().sum().backward()
        states.append({**net.state_dict(), "grad": net[0].weight.grad})
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
