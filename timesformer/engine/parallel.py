"""A model that trains: activation checkpointing -> compile -> DDP or FSDP2, in this order.

Nothing here renames a parameter: checkpoints of wrapped models are those of bare ones.
"""

import contextlib
from contextlib import AbstractContextManager

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule
from torch.nn.parallel import DistributedDataParallel

from timesformer.config import CfgNode
from timesformer.engine.fsdp import shard
from timesformer.models.block import Block
from timesformer.runtime import collectives
from timesformer.tables import choose


def parallelize(
    model: nn.Module, cfg: CfgNode, device: torch.device, optimizer: torch.optim.Optimizer
) -> nn.Module:
    """``model``, changed in place, in the wrapper of the configured strategy; ``optimizer`` follows."""
    keep_less(model, share=cfg.TRAIN.ACTIVATION_CHECKPOINT, lean=cfg.TRAIN.RECOMPUTE_CHEAP_OPS)
    if cfg.TRAIN.COMPILE:
        model.compile(fullgraph=True)  # in place: torch.compile(model) would rename the parameters
    if not collectives.is_distributed():
        return model
    wrap = choose(STRATEGIES, cfg.DIST.STRATEGY, key="DIST.STRATEGY")
    return wrap(model, optimizer, device)


def keep_less(model: nn.Module, *, share: float, lean: bool) -> None:
    """Let a share of the blocks, evenly spread, keep no activations, and the others, if lean, few."""
    blocks = [module for module in model.modules() if isinstance(module, Block)]
    for i, block in enumerate(blocks):
        block.lean = lean
        block.recompute = int((i + 1) * share) > int(i * share)


def gradient_exchange(model: nn.Module, *, now: bool) -> AbstractContextManager[None]:
    """Context of a forward and backward pass: gradients are exchanged, or only accumulate."""
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(now)
    elif isinstance(model, DistributedDataParallel) and not now:
        return model.no_sync()
    return contextlib.nullcontext()


def _replicate(
    model: nn.Module, _: torch.optim.Optimizer, device: torch.device
) -> DistributedDataParallel:
    ids = [device.index] if device.type == "cuda" else None
    return DistributedDataParallel(model, device_ids=ids, gradient_as_bucket_view=True)


STRATEGIES = {"ddp": _replicate, "fsdp": shard}
