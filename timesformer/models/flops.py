"""The size of a model: parameters and multiply-adds."""

import copy

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from timesformer.models.classifier import Classifier
from timesformer.models.rewrite import plain


def model_info(model: Classifier) -> str:
    """One line: parameters, and multiply-adds of one training clip, attention included."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    _, frames, side, _ = model.input_spec
    return (
        f"{parameters:,} parameters, {multiply_adds(model) / 1e9:.2f} G multiply-adds for a "
        f"clip of {frames} x {side}²"
    )


def multiply_adds(model: Classifier) -> int:
    """Multiply-adds of linear layers, convolutions and attention for one clip of its ``input_spec``.

    Those of the plain model, all products included that a rewrite spares; counted without computing
    anything, on PyTorch's ``meta`` device.
    """
    shadow = plain(copy.deepcopy(model).to("meta")).eval()
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        shadow(torch.empty((1, *model.input_spec), device="meta"))
    return int(counter.get_total_flops()) // 2
