"""A model that trains: activation checkpointing -> compile -> DDP, in this order.

Nothing here renames a parameter: checkpoints of wrapped models are those of bare ones.
"""

import torch
from fvcore.common.config import CfgNode
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from timesformer import distributed
from timesformer.models.attention import Block


def parallelize(model: nn.Module, cfg: CfgNode, device: torch.device) -> nn.Module:
    """``model``, changed in place, in the wrapper of the configured strategy."""
    checkpoint_blocks(model, cfg.TRAIN.ACTIVATION_CHECKPOINT)
    if cfg.TRAIN.COMPILE:
        model.compile(fullgraph=True)  # in place: torch.compile(model) would rename the parameters
    return _distribute(model, device)


def checkpoint_blocks(model: nn.Module, share: float) -> None:
    """Let this share of the blocks, evenly spread, recompute activations instead of keeping them."""
    blocks = [module for module in model.modules() if isinstance(module, Block)]
    for i, block in enumerate(blocks):
        block.recompute = int((i + 1) * share) > int(i * share)


def _distribute(model: nn.Module, device: torch.device) -> nn.Module:
    if not distributed.is_distributed():
        return model
    ids = [device.index] if device.type == "cuda" else None
    return DistributedDataParallel(model, device_ids=ids, gradient_as_bucket_view=True)
