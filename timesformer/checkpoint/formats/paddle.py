"""PaddleVideo's ``.pdparams``: a pickle of numpy arrays, read without running code, to our names."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from timesformer.checkpoint.formats.image_vit import from_timm, is_video
from timesformer.checkpoint.formats.weights import State, Weights, ends_with, has

_NAMES = "StructuredToParameterName@@"  # beside the weights: Paddle's own names of the layers
_SLICES = "UnpackBigParamInfor@@"  # how arrays too big for an old pickle were cut


def is_paddle(state: State) -> bool:
    """Whether linear weights are (in, out): the fused projection is not square and tells."""
    return any(
        ends_with(name, "attn.qkv.weight")
        and weight.ndim == 2
        and weight.shape[0] < weight.shape[1]
        for name, weight in state.items()
    )


def from_paddle(state: State) -> Weights:
    """Weights of PaddleVideo: the published names, every linear weight transposed.

    A video model whose attention has no biases is a PP-TimeSformer, which takes pixels as they are;
    the other takes them as the published code does.
    """
    found = from_timm(
        {
            name: weight.mT.contiguous() if name.endswith("weight") and weight.ndim == 2 else weight
            for name, weight in state.items()
        }
    )
    found.format = f"Paddle {found.format}"
    if is_video(found.state) and not has(state, "attn.qkv.bias"):
        found.about["preprocessing"] = {"mean": [0.0] * 3, "std": [1.0] * 3}
    return found


def from_pickle(found: Any) -> Any:
    """Names to tensors, of the content of a ``.pdparams``; its bfloat16, which numpy has not, is uint16.

    Anything but a dictionary stays as it is.
    """
    if not isinstance(found, dict):
        return found
    found.pop(_NAMES, None)
    for name, info in found.pop(_SLICES, {}).items():
        parts = [found.pop(part) for part in info["slices"]]
        found[name] = np.concatenate(parts).reshape(info["OriginShape"])
    return {name: _tensor(value) if _is_numbers(value) else value for name, value in found.items()}


def _is_numbers(value: object) -> bool:
    """Whether a value is an array, or one number, of numpy."""
    return isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biuf"


def _tensor(array: np.ndarray | np.generic) -> Tensor:
    if array.dtype == np.uint16:
        return torch.from_numpy(np.array(array).view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(np.array(array, array.dtype.newbyteorder("="), order="C"))
