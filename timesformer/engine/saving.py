"""Checkpoints written behind the back of a training, which waits for the copy in memory alone."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from timesformer import distributed, run_checkpoint

logger = logging.getLogger(__name__)


class Saver:
    """Copies what a checkpoint holds, then writes it in a thread; one checkpoint at a time.

    A copy takes as much memory of the host as the checkpoint takes on the disk. What goes wrong in
    the thread is raised by the next call.
    """

    def __init__(self, output_dir: str | Path, *, keep: int) -> None:
        """``keep``: ends of epochs that stay, 0: all."""
        self.output_dir = output_dir
        self.keep = keep
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None

    def save(self, payload: Mapping[str, Any], path: Path, *, also: Sequence[Path] = ()) -> None:
        """Write ``payload`` to ``path`` and ``also``; returns when it is safe to train on.

        Raises:
            CheckpointError: the checkpoint before this one could not be written.
        """
        self.wait()
        self._writing = self._thread.submit(self._write, snapshot(payload), path, also)

    def save_sharded(self, payload: Mapping[str, Any], path: Path) -> None:
        """Write ``payload`` to the folder ``path``, by all processes at once; returns when it is there.

        In the training's own thread: it takes exchanges between the processes.

        Raises:
            CheckpointError: it, or the checkpoint before this one, could not be written.
        """
        self.wait()
        run_checkpoint.write_sharded(path, payload)
        if distributed.is_main():
            run_checkpoint.prune(self.output_dir, self.keep)
            logger.info("saved %s", path)

    def check(self) -> None:
        """Raise what the thread raised, if it has ended; costs nothing."""
        if self._writing is not None and self._writing.done():
            self.wait()

    def wait(self) -> None:
        """Until the last checkpoint is on the disk.

        Raises:
            CheckpointError: it could not be written.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _write(self, payload: Mapping[str, Any], path: Path, also: Sequence[Path]) -> None:
        run_checkpoint.write_checkpoint(path, payload, also=also)
        run_checkpoint.prune(self.output_dir, self.keep)
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
