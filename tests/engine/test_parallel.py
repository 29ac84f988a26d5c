"""Wrapping a model changes neither its numbers nor its names."""

import pytest
import torch
from torch import nn

from timesformer.config import load_config
from timesformer.engine.optim import build_optimizer
from timesformer.engine.parallel import parallelize, set_activation_memory
from timesformer.models import build_model
from timesformer.models.attention import SCHEMES
from timesformer.models.recompute import Checkpointed, RecomputingBlock
from timesformer.models.speedups import speed_up
from timesformer.models.timesformer import TimeSformer

CPU = torch.device("cpu")


def model_of(scheme, **kwargs):
    torch.manual_seed(0)
    model = TimeSformer(img_size=16, patch_size=8, num_classes=3, num_frames=4, embed_dim=16,
                        depth=3, num_heads=2, attention_type=scheme, **kwargs)  # fmt: skip
    for block in model.blocks:
        for layer in block.fc_layers():
            nn.init.normal_(layer.weight)
    return model


def gradients(model):
    torch.manual_seed(1)  # of drop path and dropout
    loss = model(torch.randn(2, 3, 4, 16, 16)).square().sum()
    loss.backward()
    return loss, [parameter.grad for parameter in model.parameters()]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_recomputed_activations_give_the_very_same_gradients(scheme):
    """Drop path and dropout on: the second forward pass must draw what the first one drew."""
    rates = {"drop_path_rate": 0.5, "drop_rate": 0.2, "attn_drop_rate": 0.2}
    loss, plain = gradients(speed_up(model_of(scheme, **rates)))
    model, calls = model_of(scheme, **rates), []
    set_activation_memory(speed_up(model, without=["recompute_cheap"]), share=1.0, lean=True)
    for block in model.blocks:
        block.mlp.fc1.register_forward_pre_hook(lambda *_: calls.append(1))
    recomputed_loss, recomputed = gradients(model)
    assert torch.equal(loss, recomputed_loss)
    assert all(torch.equal(a, b) for a, b in zip(plain, recomputed, strict=True))
    once = 2 * len(model.blocks) - 1  # cls and grid; in the last block cls alone
    assert len(calls) == 2 * once
    with torch.no_grad():
        model(torch.randn(2, 3, 4, 16, 16))
    assert len(calls) == 3 * once


@pytest.mark.parametrize(
    ("share", "chosen"),
    [(0.0, [0, 0, 0, 0]), (0.25, [0, 0, 0, 1]), (0.5, [0, 1, 0, 1]), (1.0, [1, 1, 1, 1])],
)
def test_a_share_of_the_blocks_is_spread_evenly(share, chosen):
    model = TimeSformer(img_size=8, patch_size=4, embed_dim=8, depth=4, num_heads=2)
    set_activation_memory(model, share=share, lean=True)
    assert [isinstance(block, Checkpointed) for block in model.blocks] == chosen
    assert [not isinstance(block, RecomputingBlock) for block in model.blocks] == chosen


def test_wrapping_renames_no_parameter(tiny_yaml):
    cfg = load_config(tiny_yaml, ["TRAIN.COMPILE", "1", "TRAIN.ACTIVATION_CHECKPOINT", "0.5"])
    model = build_model(cfg)
    names = list(model.state_dict())
    assert list(parallelize(model, cfg, CPU, build_optimizer(model, cfg)).state_dict()) == names


@pytest.mark.slow
def test_a_compiled_model_trains_and_validates_as_a_plain_one(tiny_yaml, monkeypatch):
    """Traced whole, recomputing blocks; generated code would take a minute more."""
    compile_module = nn.Module.compile
    monkeypatch.setattr(
        nn.Module,
        "compile",
        lambda self, **options: compile_module(self, backend="aot_eager", **options),
    )
    options = ["TRAIN.ACTIVATION_CHECKPOINT", "1.0", "TIMESFORMER.DEPTH", "1"]
    clips, found = torch.randn(2, 3, 4, 32, 32), []
    for compiled in ("False", "True"):
        cfg = load_config(tiny_yaml, [*options, "TRAIN.COMPILE", compiled])
        torch.manual_seed(0)
        model = build_model(cfg)
        model = parallelize(model, cfg, CPU, build_optimizer(model, cfg)).train()
        model(clips).square().sum().backward()
        gradients = [parameter.grad for parameter in model.parameters()]
        with torch.inference_mode():
            logits = model.eval()(clips)
        found.append([logits, *gradients])
    assert all(torch.allclose(a, b, atol=1e-4, rtol=1e-4) for a, b in zip(*found, strict=True))
