import json

import pytest
import torch
from torch.nn import functional as F

from timesformer.config import load_config
from timesformer.engine import build_optimizer, lr_at_epoch
from timesformer.engine.optim import accumulation_steps, set_lr
from timesformer.models.timesformer import TimeSformer


@pytest.fixture
def config(tiny_yaml):
    return lambda solver: load_config(
        tiny_yaml, [text for key, value in solver.items() for text in (f"SOLVER.{key}", str(value))]
    )


def test_learning_rates_are_the_golden_ones(shared, config):
    for case in json.loads((shared / "golden/shared_lr_schedules.json").read_text()):
        cfg = config(case["solver"])
        for epoch, lr in zip(case["epochs"], case["lr"], strict=True):
            assert lr_at_epoch(cfg, epoch) == pytest.approx(lr, abs=1e-9)


def test_the_published_steps_change_at_epochs_11_and_14(config):
    cfg = config({"LR_POLICY": "steps_with_relative_lrs", "STEPS": [0, 11, 14],
                  "LRS": [1, 0.1, 0.01], "BASE_LR": 0.005})  # fmt: skip
    lrs = [lr_at_epoch(cfg, epoch) for epoch in (0, 10.99, 11, 13.99, 14, 14.99)]
    assert lrs == pytest.approx([5e-3, 5e-3, 5e-4, 5e-4, 5e-5, 5e-5])


def test_warm_up_ends_on_the_policy(config):
    cfg = config({"BASE_LR": 0.1, "WARMUP_EPOCHS": 2, "WARMUP_START_LR": 0.01, "MAX_EPOCH": 10})
    assert lr_at_epoch(cfg, 0) == 0.01
    policy = lr_at_epoch(cfg, 2)
    assert lr_at_epoch(cfg, 1) == pytest.approx((0.01 + policy) / 2)
    assert lr_at_epoch(cfg, 2 - 1e-9) == pytest.approx(policy)
    assert lr_at_epoch(cfg, 10) == pytest.approx(0)


def test_six_steps_equal_the_published_trajectory(shared, config):
    """Relative 1e-3, as the README of the goldens asks; ours agrees much better."""
    golden = torch.load(shared / "golden/shared_train_trajectory.pt", weights_only=True)
    cfg = config(golden["solver"])
    model = TimeSformer(**golden["spec"], drop_path_rate=0.0).train()
    file = shared / "golden/shared_official_divided_space_time.pyth"
    model.load_state_dict(torch.load(file, weights_only=True)["model_state"])
    optimizer = build_optimizer(model, cfg)
    count = len(golden["inputs"])
    for i, (lr, loss) in enumerate(zip(golden["lrs"], golden["losses"], strict=True)):
        set_lr(optimizer, lr_at_epoch(cfg, i / golden["iters_per_epoch"]))
        assert optimizer.param_groups[0]["lr"] == pytest.approx(lr, abs=1e-9)
        ours = F.cross_entropy(model(golden["inputs"][i % count]), golden["labels"][i % count])
        assert ours.item() == pytest.approx(loss, rel=1e-4)
        ours.backward()
        optimizer.step()
        optimizer.zero_grad()
    for name, norm in golden["param_norms_after"].items():
        value = model.get_parameter(name.removeprefix("model.")).norm().item()
        assert value == pytest.approx(norm, rel=1e-5), name
    assert torch.allclose(model.head.weight, golden["head_weight_after"], atol=1e-5)


@pytest.mark.parametrize(
    ("method", "kind"),
    [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)],
)
def test_every_parameter_decays_as_published(config, method, kind):
    cfg = config({"OPTIMIZING_METHOD": method, "WEIGHT_DECAY": 0.03, "MOMENTUM": 0.8})
    model = TimeSformer(depth=1, embed_dim=24, num_heads=2)
    optimizer = build_optimizer(model, cfg)
    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    assert [id(p) for p in group["params"]] == [id(p) for p in model.parameters()]
    assert group["weight_decay"] == 0.03
    if method == "sgd":
        assert (group["momentum"], group["nesterov"], group["dampening"]) == (0.8, True, 0)
    else:
        assert group["betas"] == (0.9, 0.999)


def test_frozen_parameters_are_left_out(config):
    model = TimeSformer(depth=1, embed_dim=24, num_heads=2)
    model.head.requires_grad_(False)
    (group,) = build_optimizer(model, config({})).param_groups
    assert len(group["params"]) == len(list(model.parameters())) - 2


@pytest.mark.parametrize(
    ("batch", "global_batch", "steps"),
    [(8, 64, 8), (6, 64, 10), (24, 64, 2), (64, 64, 1), (65, 64, 1)],
)
def test_accumulation_is_the_published_arithmetic(batch, global_batch, steps):
    assert accumulation_steps(batch, global_batch) == steps


@pytest.mark.parametrize("method", ["sgd", "adam", "adamw"])
def test_one_pass_over_memory_computes_the_same_update(config, method):
    cfg = config({"OPTIMIZING_METHOD": method, "WEIGHT_DECAY": 0.1})
    models = [torch.nn.Linear(5, 4) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    fused, plain = (build_optimizer(model, cfg) for model in models)
    assert fused.param_groups[0]["fused"]
    for group in plain.param_groups:
        group["fused"] = False
    for _ in range(3):
        gradient = torch.randn(4, 5)
        for model, optimizer in zip(models, (fused, plain), strict=True):
            model.weight.grad = gradient.clone()
            optimizer.step()
    assert torch.allclose(models[0].weight, models[1].weight, atol=1e-6)


def test_a_model_without_memory_gets_an_optimizer(config):
    with torch.device("meta"):
        model = torch.nn.Linear(2, 2)
    assert not build_optimizer(model, config({})).param_groups[0]["fused"]
