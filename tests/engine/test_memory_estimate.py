"""The memory of a step on shapes alone, against what the allocator of a real step hands out."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from timesformer.config import load_config
from timesformer.engine.losses import build_loss
from timesformer.engine.memory_estimate import (
    CONTEXT_BYTES,
    StepMemory,
    build_step,
    device_bytes,
    step_memory,
)
from timesformer.engine.optim import build_optimizer
from timesformer.engine.parallel import set_activation_memory
from timesformer.models import build_model
from timesformer.models.speedups import speed_up
from timesformer.runtime.precision import Precision


def measured(cfg, clips, checkpoint):
    """Bytes of parameters and optimizer state, and the peak of the second step beside them."""
    model = build_model(cfg)
    speed_up(model, without=["recompute_cheap"])
    set_activation_memory(model, share=checkpoint, lean=True)
    optimizer, loss = build_optimizer(model, cfg), build_loss(cfg)
    precision = Precision(cfg.TRAIN.PRECISION, torch.device("cpu"))

    def step():
        frames = torch.zeros(clips, 3, 4, 32, 32)
        labels = torch.zeros(clips, dtype=torch.int64)
        with precision.autocast():
            logits = model(frames)
        loss(logits.float(), labels).backward()
        del frames, labels, logits
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    step()
    kept = [t for state in optimizer.state.values() for t in state.values()]
    kept = sum(t.numel() * t.element_size() for t in kept if isinstance(t, torch.Tensor))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        step()
    live = peak = 0
    for event in profiled.profiler.kineto_results.events():
        if event.name() == "[memory]":
            live += event.nbytes()
            peak = max(peak, live)
    return sum(4 * p.numel() for p in model.parameters()) + kept + peak


@pytest.mark.parametrize("checkpoint", [0.0, 1.0])
@pytest.mark.parametrize(
    "options",
    [
        ["TRAIN.PRECISION", "bf16"],
        ["SOLVER.OPTIMIZING_METHOD", "sgd", "TIMESFORMER.ATTENTION_TYPE", "joint_space_time"],
    ],
)
def test_the_estimate_is_the_memory_of_the_allocator(tiny_yaml, options, checkpoint):
    cfg = load_config(tiny_yaml, ["TIMESFORMER.EMBED_DIM", "64", *options])
    memory = step_memory(build_step(cfg), checkpoint=checkpoint)
    assert memory.peak(6) == pytest.approx(measured(cfg, 6, checkpoint), rel=0.03)


def test_shards_share_the_states_and_a_gpu_has_a_context():
    memory = StepMemory(states=800, fixed=10, clip=5, largest_layer=20)
    assert memory.peak(2) == 800 + 10 + 10
    assert memory.peak(2, shards=8) == 100 + 2 * 20 + 10 + 10
    assert device_bytes(memory, 2, on_gpu=False) == 861
    assert device_bytes(memory, 2, on_gpu=True) == 861 + CONTEXT_BYTES


def test_an_average_is_one_more_copy_of_the_weights(tiny_yaml):
    plain, averaged = (
        step_memory(build_step(load_config(tiny_yaml, ["TRAIN.EMA_DECAY", decay])), checkpoint=0.0)
        for decay in ("0", "0.9")
    )
    copy = sum(4 * p.numel() for p in build_model(load_config(tiny_yaml)).parameters())
    assert averaged == plain._replace(states=plain.states + copy)
