"""Which videos form which batch, on which process: the same for any number of processes."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

Key = tuple[int, int]  # (epoch, index of the video)


class TrainBatches(Sampler[list[Key]]):
    """Shuffled batches of equal size; the global batch k is the same on any number of processes.

    Process ``rank`` of ``world`` gets its slice of each global batch. The last videos of an epoch
    that do not fill a batch are left out, as published; they are others in every epoch.
    """

    def __init__(
        self,
        num_videos: int,
        *,
        batch_size: int,
        rank: int,
        world: int,
        seed: int,
        usable: np.ndarray | None = None,
    ) -> None:
        """``usable`` (num_videos,): the indices to draw from; None: 0 .. num_videos - 1."""
        self.num_videos = num_videos
        self.usable = usable
        self.batch_size = batch_size  # of one process
        self.rank = rank
        self.world = world
        self.seed = seed
        self.epoch = 0
        self.start = 0  # the first batch to give

    def set_epoch(self, epoch: int) -> None:
        self.epoch, self.start = epoch, 0

    def __len__(self) -> int:
        return self.num_videos // (self.batch_size * self.world)

    def __iter__(self) -> Iterator[list[Key]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.num_videos)
        order = order[: len(self) * self.batch_size * self.world]
        if self.usable is not None:
            order = self.usable[order]
        for batch in order.reshape(-1, self.world, self.batch_size)[self.start :, self.rank]:
            yield [(self.epoch, int(index)) for index in batch]


class EvalBatches(Sampler[list[Key]]):
    """Every video once, in order: process ``rank`` takes each ``world``-th, and none is repeated."""

    def __init__(self, num_videos: int, *, batch_size: int, rank: int, world: int) -> None:
        self.indices = range(rank, num_videos, world)
        self.batch_size = batch_size
        self.epoch = 0
        self.start = 0  # the first batch to give

    def set_epoch(self, epoch: int) -> None:
        self.epoch, self.start = epoch, 0

    def __len__(self) -> int:
        return -(-len(self.indices) // self.batch_size)

    def __iter__(self) -> Iterator[list[Key]]:
        for start in range(self.start * self.batch_size, len(self.indices), self.batch_size):
            yield [(self.epoch, i) for i in self.indices[start : start + self.batch_size]]
