"""Arithmetic of forward and backward: TRAIN.PRECISION and TEST.PRECISION. Parameters stay fp32.

fp32    exact on every device, convolutions too
tf32    fp32 whose products round their factors to 10 bits of mantissa, on GPUs since Ampere
bf16    autocast; the range of fp32, so that losses need no scaling
fp16    autocast with a scaled loss; a step whose gradients overflow is left out and the scale halved
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """One name of the table above, on one device; on a GPU it sets PyTorch's global switch of fp32.

    The calls of a training step, in this order: ``autocast`` around the forward pass, ``backward``,
    ``unscale`` where the gradients themselves are wanted (clipping), ``step``.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        self.name = name
        self.device = device
        self.scaler = torch.amp.GradScaler(device.type, enabled=name == "fp16")
        if device.type == "cuda":
            torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
            torch.backends.cudnn.allow_tf32 = name == "tf32"

    def autocast(self) -> torch.autocast:
        """Context of a forward pass."""
        dtype = _HALF.get(self.name)
        return torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None)

    def backward(self, loss: Tensor) -> None:
        """Accumulate the gradients of ``loss``, scaled until the step or ``unscale``."""
        self.scaler.scale(loss).backward()

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Turn the gradients into those of the loss itself, in place; once a step at most."""
        self.scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Update the parameters, except with fp16 gradients that are not finite."""
        self.scaler.step(optimizer)
        self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """Scale of the loss, for the checkpoint; empty unless fp16."""
        return self.scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with a saved scale. A run that changes its precision starts with a new one."""
        if state and self.scaler.is_enabled():
            self.scaler.load_state_dict(state)


def precision_problems(wanted: Mapping[str, str]) -> Iterator[str]:
    """Arithmetic that the GPU of this machine lacks, of {"TRAIN.PRECISION": "bf16"}."""
    if not torch.cuda.is_available() or torch.cuda.get_device_capability() >= (8, 0):
        return
    name = torch.cuda.get_device_name()
    for key, value in wanted.items():
        if value in ("tf32", "bf16"):
            remedy = "fp16" if value == "bf16" else "fp32"
            yield f"{key} is {value}, but {name} has none; pass {remedy}"
