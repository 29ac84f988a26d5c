"""Optimizers and learning-rate schedules, as published (a5ef29a, models/optimizer.py, lr_policy.py)."""

import math

import torch
from torch import nn

from timesformer.config import CfgNode
from timesformer.engine.param_groups import Group, parameter_groups
from timesformer.tables import choose

Parameters = list[nn.Parameter] | list[Group]
BETAS = (0.9, 0.999)  # of adam and adamw, as published


def build_optimizer(model: nn.Module, cfg: CfgNode) -> torch.optim.Optimizer:
    """The configured optimizer over all trainable parameters, in the order of the model.

    As published, all have one learning rate, and weight decay applies to every one, norms, biases
    and embeddings too, unless a key of ``groups`` says otherwise.
    """
    build = choose(OPTIMIZERS, cfg.SOLVER.OPTIMIZING_METHOD, key="SOLVER.OPTIMIZING_METHOD")
    # Fused, it updates in one pass over memory, a quarter of the time on a CPU, and skips a step that
    # is not finite without the CPU waiting for the GPU.
    fused = next(model.parameters()).device.type in ("cpu", "cuda")
    return build(parameter_groups(model, cfg), cfg.SOLVER, fused=fused)


def lr_at_epoch(cfg: CfgNode, epoch: float) -> float:
    """Learning rate at a fractional epoch: epoch + iteration / iterations per epoch.

    Warm-up is linear from WARMUP_START_LR to the policy's value at WARMUP_EPOCHS; ``lr_factor``
    multiplies both.
    """
    return lr_factor(cfg) * _as_given(cfg.SOLVER, epoch)


def lr_factor(cfg: CfgNode) -> float:
    """Linear scaling with the batch: GLOBAL_BATCH_SIZE / LR_REFERENCE_BATCH; 1 if not asked for."""
    reference: int = cfg.SOLVER.LR_REFERENCE_BATCH
    return cfg.GLOBAL_BATCH_SIZE / reference if reference else 1.0


def _as_given(solver: CfgNode, epoch: float) -> float:
    policy = choose(SCHEDULES, solver.LR_POLICY, key="SOLVER.LR_POLICY")
    if epoch >= solver.WARMUP_EPOCHS:
        return policy(solver, epoch)
    end = policy(solver, solver.WARMUP_EPOCHS)
    start = solver.WARMUP_START_LR
    return start + (end - start) * epoch / solver.WARMUP_EPOCHS


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """The learning rate of the schedule, times the ``lr_scale`` of each group that has one."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)


def accumulation_steps(batch_size: int, global_batch_size: int) -> int:
    """Batches of ``batch_size`` that make one step: 64 with batches of 6 gives 10, so 60 clips."""
    return max(global_batch_size // batch_size, 1)


def _cosine(solver: CfgNode, epoch: float) -> float:
    half_wave = (math.cos(math.pi * epoch / solver.MAX_EPOCH) + 1.0) * 0.5
    return solver.COSINE_END_LR + (solver.BASE_LR - solver.COSINE_END_LR) * half_wave


def _steps(solver: CfgNode, epoch: float) -> float:
    reached = sum(step <= epoch for step in solver.STEPS)
    return solver.LRS[reached - 1] * solver.BASE_LR


def _sgd(parameters: Parameters, solver: CfgNode, *, fused: bool | None) -> torch.optim.Optimizer:
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


def _adam(parameters: Parameters, solver: CfgNode, *, fused: bool | None) -> torch.optim.Optimizer:
    return torch.optim.Adam(
        parameters,
        lr=solver.BASE_LR,
        betas=BETAS,
        weight_decay=solver.WEIGHT_DECAY,
        fused=fused,
    )


def _adamw(parameters: Parameters, solver: CfgNode, *, fused: bool | None) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        parameters,
        lr=solver.BASE_LR,
        betas=BETAS,
        weight_decay=solver.WEIGHT_DECAY,
        fused=fused,
    )


SCHEDULES = {"cosine": _cosine, "steps_with_relative_lrs": _steps}
OPTIMIZERS = {"sgd": _sgd, "adam": _adam, "adamw": _adamw}
