"""The size of a model: parameters and multiply-adds."""

import copy

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from timesformer.config import CfgNode
from timesformer.models.block import Block


def model_info(model: nn.Module, cfg: CfgNode) -> str:
    """One line: parameters, and multiply-adds of one training clip, attention included."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    shape = (1, 3, cfg.DATA.NUM_FRAMES, cfg.DATA.TRAIN_CROP_SIZE, cfg.DATA.TRAIN_CROP_SIZE)
    return (
        f"{parameters:,} parameters, {multiply_adds(model, shape) / 1e9:.2f} G multiply-adds for a "
        f"clip of {cfg.DATA.NUM_FRAMES} x {cfg.DATA.TRAIN_CROP_SIZE}²"
    )


def multiply_adds(model: nn.Module, shape: tuple[int, ...]) -> int:
    """Multiply-adds of linear layers, convolutions and attention for an input of ``shape``.

    Those of the published model, all products included that this one spares; counted without
    computing anything, on PyTorch's ``meta`` device.
    """
    shadow = copy.deepcopy(model).to("meta").eval()
    for block in shadow.modules():
        if isinstance(block, Block):
            block.as_published = True
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        shadow(torch.empty(shape, device="meta"))
    return counter.get_total_flops() // 2
