"""Tensors from what pickles say of them: views of storages, built by functions of this module alone."""

import pickle
from typing import Any, NamedTuple

import torch
from torch import Tensor, UntypedStorage

from timesformer.checkpoint.formats.pickle_data import DATA
from timesformer.checkpoint.formats.pickles import Table, Unknown

NO_VALUES = {  # names of tensors that are not arrays of numbers
    "torch._utils._rebuild_sparse_tensor": "sparse",
    "torch._utils._rebuild_sparse_csr_tensor": "sparse",
    "torch._utils._rebuild_nested_tensor": "nested",
    "torch._utils._rebuild_qtensor": "quantized",
    "torch._utils._rebuild_meta_tensor_no_storage": "meta (without values)",
    "torch._utils._rebuild_wrapper_subclass": "sharded or of another subclass",
    "torch.distributed.tensor.DTensor": "sharded (DTensor)",
    "torch.distributed._shard.sharded_tensor.api.ShardedTensor": "sharded",
}

_DTYPES = {
    "Double": torch.float64, "Float": torch.float32, "Half": torch.float16, "BFloat16": torch.bfloat16,
    "Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8,
    "Byte": torch.uint8, "Bool": torch.bool, "ComplexDouble": torch.complex128,
    "ComplexFloat": torch.complex64, "QInt8": torch.qint8, "QUInt8": torch.quint8,
    "QInt32": torch.qint32, "Untyped": torch.uint8,
}  # fmt: skip
_MODULES = ("torch", "torch.cuda", "torch.storage")
_MOST_REPEATED = 1 << 26  # bytes that an expanded tensor may have more than its storage


class Storage(NamedTuple):
    """Bytes, and what they are numbers of."""

    content: UntypedStorage
    dtype: torch.dtype


CONSTANTS: dict[tuple[str, str], Any] = {
    **{(module, f"{name}Storage"): kind for module in _MODULES for name, kind in _DTYPES.items()},
    **{
        ("torch", name): kind for name, kind in vars(torch).items() if isinstance(kind, torch.dtype)
    },
}


def unreadable_kind(value: object) -> str:
    """``sparse``, ``quantized`` ... of what stands for a tensor that has no dense values, or empty."""
    return NO_VALUES.get(value.name, "") if isinstance(value, Unknown) else ""


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
    return _view(storage, storage.dtype, offset, size, stride)


def _typed_tensor(
    storage: Any, offset: Any, size: Any, stride: Any, _grad: Any, _hooks: Any, kind: Any, *_: Any
) -> Tensor:
    """Of a type that has no storage of its own, as the float8s."""
    if not isinstance(kind, torch.dtype):
        raise pickle.UnpicklingError("a tensor of no type")
    return _view(storage, kind, offset, size, stride)


def _view(storage: Any, kind: torch.dtype, offset: Any, size: Any, stride: Any) -> Tensor:
    if not isinstance(storage, Storage):
        raise pickle.UnpicklingError("a tensor without a storage")
    try:
        made = torch.empty(0, dtype=kind, device=storage.content.device)
        made = made.set_(storage.content, offset, tuple(size), tuple(stride))
        if made.numel() * kind.itemsize > storage.content.nbytes() + _MOST_REPEATED:
            raise ValueError("its numbers are repeated without end")
        return made
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise pickle.UnpicklingError("a tensor does not fit its storage") from error


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _from_numpy(data: Any, *_: Any) -> Tensor:
    """Of a device that PyTorch knows by an extension."""
    return torch.from_numpy(data)


def _size(sizes: Any = ()) -> torch.Size:
    return torch.Size([int(size) for size in sizes] if isinstance(sizes, list | tuple) else ())


def _device(*args: Any) -> torch.device:
    try:
        return torch.device(*args)
    except RuntimeError as error:
        raise ValueError from error


TENSORS: Table = {
    **DATA,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _typed_tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch._utils", "_rebuild_device_tensor_from_cpu_tensor"): _parameter,
    ("torch._utils", "_rebuild_device_tensor_from_numpy"): _from_numpy,
    ("torch.nn.parameter", "Parameter"): _parameter,
    ("torch", "Size"): _size,
    ("torch", "device"): _device,
}
