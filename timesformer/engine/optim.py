"""Optimizers and learning-rate schedules, as published (a5ef29a, models/optimizer.py, lr_policy.py)."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from timesformer.config import CfgNode
from timesformer.engine.param_groups import Group, parameter_groups
from timesformer.tables import choose

Schedule = Callable[[float], float]  # fractional epoch -> learning rate
Parameters = list[nn.Parameter] | list[Group]
BETAS = (0.9, 0.999)  # of adam and adamw, as published


def build_optimizer(model: nn.Module, cfg: CfgNode) -> torch.optim.Optimizer:
    """The configured optimizer over all trainable parameters, in the order of the model.

    As published, all have one learning rate, and weight decay applies to every one, norms, biases
    and embeddings too, unless a key of ``param_groups`` says otherwise.
    """
    build = choose(OPTIMIZERS, cfg.SOLVER.OPTIMIZING_METHOD, key="SOLVER.OPTIMIZING_METHOD")
    # Fused, it updates in one pass over memory, a quarter of the time on a CPU, and skips a step that
    # is not finite without the CPU waiting for the GPU.
    fused = next(model.parameters()).device.type in ("cpu", "cuda")
    groups = parameter_groups(
        model,
        layer_decay=cfg.SOLVER.LAYER_DECAY,
        head_ratio=cfg.SOLVER.HEAD_LR_RATIO,
        decays_all=not cfg.SOLVER.ZERO_WD_1D_PARAM,
    )
    return build(groups, cfg.SOLVER, fused=fused)


def lr_at_epoch(cfg: CfgNode, epoch: float) -> float:
    """Learning rate at a fractional epoch: epoch + iteration / iterations per epoch."""
    return build_schedule(cfg)(epoch)


def build_schedule(cfg: CfgNode) -> Schedule:
    """The learning rate as a function of the fractional epoch.

    Warm-up is linear from WARMUP_START_LR to the policy's value at WARMUP_EPOCHS; ``lr_factor``
    multiplies both.
    """
    solver = cfg.SOLVER
    policy = choose(SCHEDULES, solver.LR_POLICY, key="SOLVER.LR_POLICY")(solver)
    factor = lr_factor(cfg.GLOBAL_BATCH_SIZE, solver.LR_REFERENCE_BATCH)
    warmup, start = solver.WARMUP_EPOCHS, solver.WARMUP_START_LR
    end = policy(warmup)

    def schedule(epoch: float) -> float:
        is_warm = epoch >= warmup
        return factor * (policy(epoch) if is_warm else start + (end - start) * epoch / warmup)

    return schedule


def lr_factor(global_batch_size: int, reference: int) -> float:
    """Linear scaling with the batch, relative to ``reference``; 1 if that is 0."""
    return global_batch_size / reference if reference else 1.0


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """The learning rate of the schedule, times the ``lr_scale`` of each group that has one."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)


def accumulation_steps(batch_size: int, global_batch_size: int) -> int:
    """Batches of ``batch_size`` that make one step: 64 with batches of 6 gives 10, so 60 clips."""
    return max(global_batch_size // batch_size, 1)


def build_cosine(solver: CfgNode) -> Schedule:
    """Half a cosine wave from BASE_LR to COSINE_END_LR."""
    base, end, num_epochs = solver.BASE_LR, solver.COSINE_END_LR, solver.MAX_EPOCH

    def cosine(epoch: float) -> float:
        half_wave = (math.cos(math.pi * epoch / num_epochs) + 1.0) * 0.5
        return end + (base - end) * half_wave

    return cosine


def build_steps(solver: CfgNode) -> Schedule:
    """BASE_LR times the factor LRS of the last of the epochs STEPS."""
    base, steps, factors = solver.BASE_LR, solver.STEPS, solver.LRS
    return lambda epoch: factors[sum(step <= epoch for step in steps) - 1] * base


def build_sgd(
    parameters: Parameters, solver: CfgNode, *, fused: bool | None
) -> torch.optim.Optimizer:
    """SGD with momentum."""
    optimizer = torch.optim.SGD(
        parameters,
        lr=solver.BASE_LR,
        momentum=solver.MOMENTUM,
        dampening=solver.DAMPENING,
        nesterov=solver.NESTEROV,
        weight_decay=solver.WEIGHT_DECAY,
        fused=fused and not solver.DAMPENING,
    )
    if solver.MOMENTUM and fused and not solver.DAMPENING:
        # PyTorch 2.15 leaves the buffers unset if the first fused step is skipped, and uses them later.
        for parameter in (p for group in optimizer.param_groups for p in group["params"]):
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def build_adam(
    parameters: Parameters,
    solver: CfgNode,
    *,
    fused: bool | None,
    kind: type[torch.optim.Adam] = torch.optim.Adam,
) -> torch.optim.Optimizer:
    """Adam or, with decoupled weight decay, AdamW."""
    decay = solver.WEIGHT_DECAY
    return kind(parameters, lr=solver.BASE_LR, betas=BETAS, weight_decay=decay, fused=fused)


SCHEDULES = {"cosine": build_cosine, "steps_with_relative_lrs": build_steps}
OPTIMIZERS = {
    "sgd": build_sgd,
    "adam": build_adam,
    "adamw": partial(build_adam, kind=torch.optim.AdamW),
}
