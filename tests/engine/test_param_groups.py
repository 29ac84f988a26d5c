"""Parameter groups against timm's, and against the rule written out."""

import pytest
import torch
from torch import nn

from timesformer.config import load_config
from timesformer.engine import build_optimizer
from timesformer.engine.optim import set_lr
from timesformer.engine.param_groups import lr_scales, parameter_groups
from timesformer.models.timesformer import TimeSformer


@pytest.fixture
def config(tiny_yaml):
    return lambda **solver: load_config(
        tiny_yaml, [text for key, value in solver.items() for text in (f"SOLVER.{key}", str(value))]
    )


def small(**kwargs):
    return TimeSformer(img_size=32, depth=3, embed_dim=24, num_heads=2, num_classes=4, **kwargs)


def by_name(model, groups):
    """Parameter name -> its group."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {names[parameter]: group for group in groups for parameter in group["params"]}


def test_image_layers_get_the_rates_of_timm():
    """But for the last norm, which timm gives to the last block and BEiT to the head."""
    timm = pytest.importorskip("timm")
    from timm.optim import param_groups_layer_decay

    theirs = timm.create_model("vit_tiny_patch16_224", depth=3)
    groups = param_groups_layer_decay(theirs, weight_decay=0.05, layer_decay=0.6)
    expected = {name: group["lr_scale"] for name, group in by_name(theirs, groups).items()}
    model = small(attention_type="space_only")
    scales = lr_scales(model, layer_decay=0.6, head_ratio=1.0)
    ours = {name: scales[parameter] for name, parameter in model.named_parameters()}
    assert ours.keys() == expected.keys()
    assert ours.pop("norm.weight") == ours.pop("norm.bias") == 1
    assert ours == pytest.approx({name: expected[name] for name in ours})


def test_temporal_steps_get_the_rate_of_their_block():
    model = small()
    groups = by_name(
        model, parameter_groups(model, layer_decay=0.5, head_ratio=1.0, decays_all=True)
    )
    for name, scale in (
        ("time_embed", 1 / 16), ("pos_embed", 1 / 16), ("cls_token", 1 / 16),
        ("patch_embed.proj.weight", 1 / 16), ("blocks.0.temporal_fc.weight", 1 / 8),
        ("blocks.2.temporal_attn.qkv.bias", 1 / 2), ("norm.weight", 1), ("head.weight", 1),
    ):  # fmt: skip
        assert groups[name]["lr_scale"] == scale, name


def test_norms_biases_and_embeddings_need_not_decay(config):
    model = small()
    cfg = config(ZERO_WD_1D_PARAM=True, WEIGHT_DECAY=0.05, OPTIMIZING_METHOD="adamw")
    optimizer = build_optimizer(model, cfg)
    decays = {n: g["weight_decay"] for n, g in by_name(model, optimizer.param_groups).items()}
    assert len(decays) == len(list(model.parameters()))
    linear = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    weights = {module.weight for module in linear}
    for name, parameter in model.named_parameters():
        assert decays[name] == (0.05 if parameter in weights else 0), name


@pytest.mark.parametrize("method", ["sgd", "adam", "adamw"])
def test_a_step_moves_each_parameter_by_its_own_rate(config, method):
    """The first step of one optimizer for each parameter, with its rate, is the oracle."""
    cfg = config(LAYER_DECAY=0.7, HEAD_LR_RATIO=10, ZERO_WD_1D_PARAM=True, WEIGHT_DECAY=0.1,
                 OPTIMIZING_METHOD=method)  # fmt: skip
    model, oracle = small().eval(), small().eval()
    oracle.load_state_dict(model.state_dict())
    optimizer = build_optimizer(model, cfg)
    set_lr(optimizer, 0.01)
    for one in (model, oracle):
        one(torch.ones(2, 3, 2, 32, 32)).square().sum().backward()
    optimizer.step()
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[method]
    more = {"momentum": 0.9, "nesterov": True} if method == "sgd" else {}
    for name, parameter in oracle.named_parameters():
        layer = int(name.split(".")[1]) + 1 if name.startswith("blocks.") else 0
        scale = 10 if name.startswith("head.") else 1 if "norm." in name[:5] else 0.7 ** (4 - layer)
        decay = 0.1 if parameter.ndim > 1 and not name.endswith(("embed", "token")) else 0
        kind([parameter], lr=0.01 * scale, weight_decay=decay, **more).step()
        assert torch.allclose(model.get_parameter(name), parameter, rtol=0, atol=1e-7), name


def test_a_group_of_the_optimizer_survives_a_checkpoint(config):
    model, cfg = small(), config(LAYER_DECAY=0.5)
    optimizer, resumed = build_optimizer(model, cfg), build_optimizer(model, cfg)
    resumed.load_state_dict(optimizer.state_dict())
    set_lr(resumed, 1.0)
    assert [g["lr"] for g in resumed.param_groups] == [
        g["lr_scale"] for g in optimizer.param_groups
    ]
    assert {g["lr"] for g in resumed.param_groups} == {1, 1 / 2, 1 / 4, 1 / 8, 1 / 16}
