"""Sharded checkpoints: a folder into which each process writes its own part of the tensors.

The parts are those of ``torch.distributed.checkpoint``; all other entries, and size and CRC-32 of each
file, are in ``plain.pyth``. The folder has a temporary name until all of it is on the disk.
"""

import contextlib
import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor

from timesformer.checkpoint.formats.sharded import METADATA, PLAIN, checksum
from timesformer.files import discard, replace_folder, write_atomically
from timesformer.runtime import collectives


def write_sharded(path: Path, payload: Mapping[str, Any]) -> None:
    """Write ``payload``, whose tensors may be sharded, to the folder ``path``, whole or not at all.

    All processes call it at once. What was there keeps its place, then the name PATH.old, until the
    new one has its name.

    Raises:
        OSError: it cannot be written; on all processes.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    tensors, plain = _split(payload)
    try:
        _together(lambda: _begin(temporary))
        _together(lambda: _save(tensors, temporary))
        parts = {
            name: sums for found in _together(lambda: _sums(temporary)) for name, sums in found
        }
        _together(lambda: _finish(temporary, path, {**plain, "parts": parts}))
    except OSError:
        if collectives.is_main():
            shutil.rmtree(temporary, ignore_errors=True)
        raise


def remove_sharded(path: Path) -> None:
    """Delete a folder; one that is half deleted has a name that says so."""
    temporary = path.with_name(f"{path.name}.tmp")
    discard(temporary)
    os.replace(path, temporary)
    discard(temporary)


def _split(payload: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tensors of weights and optimizer, nested; and everything else."""
    optimizer = payload["optimizer_state"]
    states = optimizer.get("state", {}).items()
    tensors = {
        "model_state": dict(payload["model_state"]),
        "optimizer_state": {
            str(i): {name: value for name, value in state.items() if isinstance(value, Tensor)}
            for i, state in states
        },
    }
    others = {
        i: {name: value for name, value in state.items() if not isinstance(value, Tensor)}
        for i, state in states
    }
    plain = {key: value for key, value in payload.items() if key != "model_state"}
    return tensors, {**plain, "optimizer_state": {**optimizer, "state": others}}


def _together(step: Callable[[], Any]) -> list[Any]:
    """What ``step`` returns on each process; OSError on all if it fails on one."""
    try:
        mine = step(), ""
    except (OSError, RuntimeError) as error:  # the zip writer raises RuntimeError on a full disk
        mine = None, getattr(error, "strerror", None) or str(error)
    except dcp.CheckpointException as error:  # not an Exception
        cause = error.failures[min(error.failures)][0]
        mine = None, getattr(cause, "strerror", None) or str(cause)
    answers = collectives.gather(mine)
    for _, reason in answers:
        if reason:
            raise OSError(reason)
    return [found for found, _ in answers]


def _begin(temporary: Path) -> None:
    if collectives.is_main():
        discard(temporary)
        temporary.mkdir(parents=True)


def _save(tensors: dict[str, Any], temporary: Path) -> None:
    group = collectives.cpu_group() if collectives.is_distributed() else None
    writer = dcp.FileSystemWriter(str(temporary))
    with warnings.catch_warnings():  # that it is one process, where it is
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        dcp.save(tensors, storage_writer=writer, process_group=group)


def _sums(temporary: Path) -> list[tuple[str, tuple[int, int]]]:
    """Names of the files that this process wrote, with size and checksum."""
    mine = [METADATA] * collectives.is_main()
    mine += [file.name for file in temporary.glob(f"__{collectives.rank()}_*")]
    return [(name, checksum(temporary / name)) for name in mine]


def _finish(temporary: Path, path: Path, plain: dict[str, Any]) -> None:
    """The plain entries, then the name; by the first process, which must see all parts."""
    if not collectives.is_main():
        return
    if any(not (temporary / name).is_file() for name in plain["parts"]):
        raise OSError(
            "parts of other machines are not here; OUTPUT_DIR must be a folder that all machines "
            "share (or DIST.SHARDED_CHECKPOINTS False)"
        )
    with write_atomically(temporary / PLAIN, "wb") as file:
        torch.save(plain, file)
    old = replace_folder(temporary, path)
    with contextlib.suppress(OSError):
        remove_sharded(old)
