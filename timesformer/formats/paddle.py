"""PaddleVideo's ``.pdparams``: a pickle of numpy arrays, read without running code, to our names."""

import io
import pickle
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timesformer.formats.image_vit import from_timm, is_video
from timesformer.formats.weights import State, Weights, ends_with, has

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


def read_pickle(content: bytes) -> dict[str, Any]:
    """Names to tensors of a ``.pdparams``; bfloat16, which numpy has not, is stored as uint16.

    Nothing of the file is called or imported: a pickle names functions, and only the handful that
    numpy writes for arrays of numbers is known, each of them replaced by one of this module.

    Raises:
        pickle.UnpicklingError: it holds anything but arrays of numbers, or is truncated.
    """
    found = _ArraysOnly(io.BytesIO(content)).load()
    if not isinstance(found, dict):
        raise pickle.UnpicklingError(f"it holds a {type(found).__name__}, not a dictionary")
    found.pop(_NAMES, None)
    for name, info in found.pop(_SLICES, {}).items():
        parts = [found.pop(part).values for part in info["slices"]]
        found[name] = _Array(np.concatenate(parts).reshape(info["OriginShape"]))
    return {name: _tensor(v.values) if isinstance(v, _Array) else v for name, v in found.items()}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module.replace("numpy._core", "numpy.core"), name]
        except KeyError:
            raise pickle.UnpicklingError(f"unsupported class {module}.{name}") from None


class _Type:
    """A number type: what numpy calls ``<f4``."""

    def __init__(self, code: str, *_: Any) -> None:
        self.code = code

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.code = f"{state[1]}{self.code}".replace("|", "")  # the byte order

    def number(self) -> np.dtype:
        made = np.dtype(self.code)
        if made.kind not in "biuf":
            raise pickle.UnpicklingError(f"unsupported class numpy.dtype({self.code})")
        return made


class _Array:
    """An array of numbers; a pickle makes it empty and fills it by its state."""

    def __init__(self, values: Any = None, *_: Any) -> None:
        self.values = values

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, is_fortran, content = state
        self.values = _filled(content, kind, shape, "F" if is_fortran else "C").values


def _filled(content: bytes, kind: _Type, shape: tuple[int, ...], order: str = "C") -> _Array:
    return _Array(np.frombuffer(content, kind.number()).reshape(shape, order=order))  # type: ignore[call-overload]


def _scalar(kind: _Type, content: bytes) -> _Array:
    return _filled(content, kind, ())


def _no_bytes() -> bytes:
    """How protocol 2 writes empty bytes."""
    return b""


def _latin1(text: str, _: str) -> bytes:
    """Bytes, as protocol 2 writes them."""
    return text.encode("latin1")


_KNOWN = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _filled,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _latin1,
    ("__builtin__", "bytes"): _no_bytes,
    ("builtins", "bytes"): _no_bytes,
}


def _tensor(array: np.ndarray) -> Tensor:
    if array.dtype == np.uint16:
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C"))
