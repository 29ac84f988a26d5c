"""The batches of an epoch in order, from loader processes or from this one.

What a loader has given is a position, (epoch, batch): every draw follows from it and the seed, so
the position is all that a resumed run needs.
"""

import logging
from collections.abc import Callable, Iterator

from timesformer.datasets.clips import Batch, ClipDataset, collate
from timesformer.datasets.loader_processes import LoaderProcesses, pinned
from timesformer.datasets.remark_list import Remarks
from timesformer.datasets.samplers import EvalBatches, TrainBatches

logger = logging.getLogger(__name__)


class ClipLoader:
    """Iterates over the batches of one epoch, in order; see the module docstring."""

    def __init__(
        self,
        dataset: ClipDataset,
        batch_sampler: TrainBatches | EvalBatches,
        *,
        num_workers: int,
        pin_memory: bool,
        start_method: str | None = None,
        remarks: Remarks | None = None,
        give_up: Callable[[], bool] = lambda: False,
    ) -> None:
        """``start_method`` of the processes: spawn, forkserver or fork; None is the system's.

        ``remarks`` takes those of the videos; it is logged after an epoch. ``give_up`` is asked while
        a batch is awaited: whether the rest of the epoch is of no use any more.
        """
        self.dataset = dataset
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.start_method = start_method
        self.remarks = remarks or Remarks("", len(dataset))
        self.give_up = give_up
        self.fallbacks = 0  # videos that the configured device did not decode, in this epoch
        self._processes: LoaderProcesses | None = None

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[Batch]:
        """The batches that are left of the epoch; fewer after ``give_up``."""
        due = len(self) - self.batch_sampler.start
        for batch in self._batches():
            due -= 1
            self.batch_sampler.start += 1
            self._note(batch)
            yield batch
        if due > 0:
            return
        self.remarks.log()
        if self.fallbacks:
            logger.warning("%d videos of this epoch were decoded on the CPU", self.fallbacks)
            self.fallbacks = 0
        self.batch_sampler.set_epoch(self.batch_sampler.epoch + 1)

    @property
    def pids(self) -> list[int]:
        """Of the loader processes that work now."""
        return self._processes.pids if self._processes else []

    def state_dict(self) -> dict[str, int]:
        """The batch that is due next: {"epoch", "batch"}."""
        return {"epoch": self.batch_sampler.epoch, "batch": self.batch_sampler.start}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue with the batch that was due."""
        self.batch_sampler.set_epoch(state["epoch"])
        self.batch_sampler.start = state["batch"]

    def _batches(self) -> Iterator[Batch]:
        """The remaining batches; processes are kept between epochs."""
        if not self.num_workers:
            for keys in self.batch_sampler:
                batch = collate([self.dataset[key] for key in keys])
                yield pinned(batch) if self.pin_memory else batch
            return
        if self._processes is None:
            self._processes = LoaderProcesses(
                self.dataset,
                self.num_workers,
                start_method=self.start_method,
                pin_memory=self.pin_memory,
            )
        yield from self._processes.batches(self.batch_sampler, give_up=self.give_up)

    def _note(self, batch: Batch) -> None:
        """Of videos that the GPU does not decode the first is named; usually all are of one codec."""
        self.remarks.add(batch.remarks)
        if batch.fallbacks and not self.fallbacks:
            reason = batch.fallbacks[0]
            logger.warning("decoded on the CPU instead of the GPU, more are counted: %s", reason)
        self.fallbacks += len(batch.fallbacks)
