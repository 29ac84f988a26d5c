"""Checkpoints written in a thread: training waits only until they are copied in memory."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from timesformer.checkpoint import save
from timesformer.checkpoint.load import CheckpointError
from timesformer.runtime import collectives
from timesformer.runtime.local_rank import raise_once

logger = logging.getLogger(__name__)


class AsyncWriter:
    """Copies what a checkpoint holds, then writes it in a thread; one checkpoint at a time.

    A copy takes as much memory of the host as the checkpoint takes on the disk. What goes wrong in
    the thread of the first process, ``wait`` raises on all of them.
    """

    def __init__(self, output_dir: str | Path, *, keep: int) -> None:
        """``keep``: ends of epochs that stay, 0: all."""
        self.output_dir = output_dir
        self.keep = keep
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None

    def save(self, payload: Mapping[str, Any], path: Path, *, also: Sequence[Path] = ()) -> None:
        """Write ``payload`` to ``path`` and ``also``; returns when it is safe to train on.

        Nothing may be under way: call ``wait`` first.
        """
        assert self._writing is None
        self._writing = self._thread.submit(self._write, snapshot(payload), path, also)

    def save_sharded(self, payload: Mapping[str, Any], path: Path) -> None:
        """Write ``payload`` to the folder ``path``, by all processes at once; returns when it is there.

        In the training's own thread: it takes exchanges between the processes.

        Raises:
            CheckpointError: it could not be written; on all processes.
        """
        if gone := collectives.broadcast_object(save.vanished(self.output_dir)):
            raise CheckpointError(gone)
        save.write_sharded(path, payload)
        if collectives.is_main():
            self._wrote(path, payload)

    def failed(self) -> bool:
        """Whether the thread has ended in an error, which ``wait`` raises; costs nothing."""
        writing = self._writing
        return writing is not None and writing.done() and writing.exception() is not None

    def wait(self) -> None:
        """Until the last checkpoint is on the disk; all processes call it together.

        Raises:
            CheckpointError: it could not be written; in local rank 0, and the others exit.
        """
        if reason := collectives.broadcast_object(self.end()):
            raise_once(CheckpointError(reason), status=2)

    def end(self) -> str:
        """``wait`` of one process alone; returns why the checkpoint could not be written, if so."""
        writing, self._writing = self._writing, None
        try:
            if writing is not None:
                writing.result()
        except CheckpointError as error:
            return str(error)
        return ""

    def _write(self, payload: Mapping[str, Any], path: Path, also: Sequence[Path]) -> None:
        save.write_checkpoint(path, payload, also=also)
        self._wrote(path, payload)

    def _wrote(self, path: Path, payload: Mapping[str, Any]) -> None:
        save.prune(self.output_dir, self.keep, payload.get("guard"))
        logger.info("saved %s", path)


def snapshot(tree: Any) -> Any:
    """A copy of nested dictionaries, lists and tuples whose tensors nobody changes, on the CPU.

    Tensors of a GPU are copied through pinned memory, which PyTorch keeps for the next time, and
    are waited for once.
    """
    copied = _copy(tree)
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.current_stream().synchronize()
    return copied


def _copy(item: Any) -> Any:
    if isinstance(item, Tensor):
        pinned = item.device.type == "cuda"
        return torch.empty_like(item, device="cpu", pin_memory=pinned).copy_(
            item.detach(), non_blocking=True
        )
    if isinstance(item, Mapping):
        return {key: _copy(value) for key, value in item.items()}
    if isinstance(item, list | tuple):
        return type(item)(map(_copy, item))
    return item
