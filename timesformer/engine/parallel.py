"""A model that trains, changed for it in this order.

speed-ups -> synchronised batch norms -> activation checkpointing -> compile -> DDP or FSDP2

Nothing here renames a parameter: checkpoints of wrapped models are those of bare ones.
"""

import contextlib
from collections.abc import Collection
from contextlib import AbstractContextManager

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule
from torch.nn.parallel import DistributedDataParallel

from timesformer.config import CfgNode
from timesformer.engine.fsdp import shard
from timesformer.engine.sync_batchnorm import synchronize
from timesformer.models.classifier import Classifier, layers
from timesformer.models.recompute import checkpointed, recompute_cheap
from timesformer.models.speedups import speed_up
from timesformer.models.trial import build_unused
from timesformer.runtime import collectives
from timesformer.tables import choose


def parallelize(
    model: Classifier,
    cfg: CfgNode,
    device: torch.device,
    optimizer: torch.optim.Optimizer,
    *,
    without: Collection[str] = (),
) -> nn.Module:
    """``model``, changed in place, in the wrapper of the configured strategy; ``optimizer`` follows.

    ``without``: speed-ups to leave out.
    """
    speed_up(model, without=[*without, "recompute_cheap"])
    if collectives.is_distributed() and cfg.DIST.SYNC_BATCHNORM:
        synchronize(model, device)
    lean = cfg.TRAIN.RECOMPUTE_CHEAP_OPS and "recompute_cheap" not in without
    set_activation_memory(model, share=cfg.TRAIN.ACTIVATION_CHECKPOINT, lean=lean)
    if cfg.TRAIN.COMPILE:
        model.compile(fullgraph=True)  # in place: torch.compile(model) would rename the parameters
    if not collectives.is_distributed():
        return model
    wrap = choose(STRATEGIES, cfg.DIST.STRATEGY, key="DIST.STRATEGY")
    return wrap(model, optimizer, device, has_unused=bool(build_unused(cfg)))


def set_activation_memory(model: Classifier, *, share: float, lean: bool) -> None:
    """A share of the layers, evenly spread, keeps no activations; the others, if ``lean``, keep few.

    After all other rewrites.
    """
    for i, layer in enumerate(layers(model)):
        if int((i + 1) * share) > int(i * share):
            checkpointed(layer)
    if lean:
        recompute_cheap(model)


def gradient_exchange(model: nn.Module, *, now: bool) -> AbstractContextManager[None]:
    """Context of a forward and backward pass: gradients are exchanged, or only accumulate."""
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(now)
    elif isinstance(model, DistributedDataParallel) and not now:
        return model.no_sync()
    return contextlib.nullcontext()


def _replicate(
    model: nn.Module, _: torch.optim.Optimizer, device: torch.device, *, has_unused: bool
) -> DistributedDataParallel:
    """``has_unused``: of some parameters no gradient will come, which must not be waited for."""
    ids = [device.index] if device.type == "cuda" else None
    return DistributedDataParallel(
        model, device_ids=ids, gradient_as_bucket_view=True, find_unused_parameters=has_unused
    )


def _shard(
    model: Classifier, optimizer: torch.optim.Optimizer, device: torch.device, *, has_unused: bool
) -> nn.Module:
    return shard(model, optimizer, device)


STRATEGIES = {"ddp": _replicate, "fsdp": _shard}
