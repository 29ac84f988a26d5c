"""Ranks, and collectives of tensors and objects.

Every function works without a process group too, as the only process.
"""

import functools
import os
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

_timeout = timedelta(minutes=10)  # of a collective


def form_group(
    backend: str, *, store: dist.Store, rank: int, world_size: int, timeout: float
) -> None:
    """Form the process group; ``timeout``: seconds of a collective, in all groups of the run."""
    global _timeout
    _timeout = timedelta(seconds=timeout)
    dist.init_process_group(
        backend, store=store, rank=rank, world_size=world_size, timeout=_timeout
    )


def is_distributed() -> bool:
    """Whether there is a process group."""
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """Number of this process among all, from 0."""
    return dist.get_rank() if is_distributed() else 0


def world_size() -> int:
    """Processes on all machines."""
    return dist.get_world_size() if is_distributed() else 1


def local_world_size() -> int:
    """Processes on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1)) if is_distributed() else 1


def num_machines() -> int:
    """Machines of the run, which all have as many processes."""
    return world_size() // local_world_size()


def local_rank() -> int:
    """Number of this process on its machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", 0)) if is_distributed() else 0


def is_main() -> bool:
    """Whether this is the first process: the one that logs and writes files."""
    return rank() == 0


def all_reduce_sum(values: Tensor) -> Tensor:
    """Sum over the processes, elementwise."""
    if not is_distributed():
        return values
    values = values.clone()
    dist.all_reduce(values)
    return values


def gather(item: Any) -> list[Any]:
    """``item`` of every process, in order of rank, on every process."""
    if not is_distributed():
        return [item]
    items: list[Any] = [None] * world_size()
    dist.all_gather_object(items, item)
    return items


def barrier() -> None:
    """Wait for all processes."""
    if is_distributed():
        dist.barrier()


def any_process(flag: bool) -> bool:
    """Whether ``flag`` is true on any process.

    Over the CPU (gloo), so that a GPU keeps computing.
    """
    if not is_distributed():
        return flag
    votes = torch.tensor([int(flag)])
    dist.all_reduce(votes, group=cpu_group())
    return bool(votes)


def broadcast_object(item: Any) -> Any:
    """``item`` of the first process, on every process."""
    if not is_distributed():
        return item
    items = [item]
    dist.broadcast_object_list(items, src=0)
    return items[0]


@functools.cache
def cpu_group() -> dist.ProcessGroup | None:
    """A group for tensors on the CPU; None: the default group is one."""
    if dist.get_backend() == "gloo":
        return None
    return dist.new_group(backend="gloo", timeout=_timeout)


def broadcast_tensors(tensors: Iterable[Tensor]) -> None:
    """Give ``tensors`` the values that they have on the first process, in place."""
    if is_distributed():
        for tensor in tensors:
            dist.broadcast(tensor, 0)


def full_tensor(value: Tensor) -> Tensor:
    """A sharded tensor gathered on its device, by a call of all processes; another tensor unchanged."""
    return value.full_tensor() if _is_sharded(value) else value


def full_state_dict(state: Any) -> Any:
    """``state``, nested, with sharded tensors gathered on the CPU; all processes call it together."""
    if _is_sharded(state):
        return full_tensor(state).cpu()
    if isinstance(state, dict):
        return type(state)((key, full_state_dict(value)) for key, value in state.items())
    if isinstance(state, list | tuple):
        return type(state)(full_state_dict(value) for value in state)
    return state


def _is_sharded(value: Any) -> bool:
    """Whether ``value`` is a DTensor: without its import, which takes half a second."""
    return isinstance(value, Tensor) and hasattr(value, "full_tensor")
