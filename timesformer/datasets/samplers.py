"""Which videos form which batch, on which process: the same for any number of processes."""

import math
from collections.abc import Callable, Iterator

import numpy as np
from torch.utils.data import Sampler

from timesformer.tables import choose

OVERFIT_EPOCH = 50  # batches of an epoch at least that shows the same few again and again

Key = tuple[int, ...]  # (epoch, index of the video), and the count of a repeat from its second on

# TRAIN.SAMPLER -> share of an epoch's clips that a class gets, from its number of videos
SHARES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "uniform": lambda counts: counts,
    "sqrt": np.sqrt,
    "balanced": np.sign,
}


def class_shares(labels: np.ndarray, sampler: str) -> np.ndarray | None:
    """How often a video is shown in an epoch on average, and its class, (2, N); None: each once.

    A class of n videos gets clips in proportion to n (``uniform``), the square root of n (``sqrt``)
    or 1 (``balanced``); an epoch has as many clips as the list has videos.
    """
    share = choose(SHARES, sampler, key="TRAIN.SAMPLER")
    if sampler == "uniform":
        return None
    counts = np.bincount(labels)
    of_class = share(counts.astype(np.float64))
    per_video = of_class / of_class.sum() * len(labels) / np.maximum(counts, 1)
    return np.stack([per_video[labels], labels.astype(np.float64)])


def draw_order(shares: np.ndarray | None, num_videos: int, rng: np.random.Generator) -> np.ndarray:
    """Indices (N,) of an epoch's videos in random order, from ``class_shares`` (2, N).

    Systematic sampling: a class gets its share of clips rounded up or down, and its videos take
    turns, so that none is shown twice more often than another.
    """
    shuffled = rng.permutation(num_videos)
    if shares is None:
        return shuffled
    per_video, labels = shares
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    ends = np.cumsum(per_video[by_class])
    points = (rng.random() + np.arange(num_videos)) * ends[-1] / num_videos
    drawn = by_class[np.minimum(np.searchsorted(ends, points, side="right"), num_videos - 1)]
    return rng.permutation(drawn)


def count_repeats(order: np.ndarray) -> np.ndarray:
    """How often each video of ``order`` (N,) came before in it, (N,): 7 3 7 7 gives 0 0 1 2."""
    by_video = np.argsort(order, kind="stable")
    is_first = np.diff(order[by_video], prepend=-1) != 0
    firsts = np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))
    repeats = np.empty_like(order)
    repeats[by_video] = np.arange(len(order)) - firsts
    return repeats


def limited(limit: float, total: int) -> int:
    """How many of ``total``: a number, a share below 1 (rounded up), or with 0 all."""
    if not limit:
        return total
    return min(math.ceil(limit * total) if limit < 1 else int(limit), total)


def drawn(num: int, total: int) -> np.ndarray:
    """``num`` of the indices 0 .. total - 1 in order, (num,) int64, the same ones in every run.

    At random, for lists are sorted or go round by class.
    """
    return np.sort(np.random.default_rng(0).permutation(total)[:num])


def repeated(videos: np.ndarray, num_batches: int) -> np.ndarray:
    """``videos`` (N,), which are ``num_batches``, repeated to an epoch of OVERFIT_EPOCH at least."""
    return np.tile(videos, -(-OVERFIT_EPOCH // num_batches))


class TrainBatches(Sampler[list[Key]]):
    """Shuffled batches of equal size; the global batch k is the same on any number of processes.

    Process ``rank`` of ``world`` gets its slice of each global batch. The last videos of an epoch
    that do not fill a batch are left out, as published; they are others in every epoch.

    Args:
        num_videos: of the list, and of an epoch.
        batch_size: clips of one process.
        rank: of this process.
        world: number of processes.
        seed: with the epoch, decides the order.
        shares: of ``class_shares``; None shows every video once.
    """

    limited = ""  # to say, see EvalBatches

    def __init__(
        self,
        num_videos: int,
        *,
        batch_size: int,
        rank: int,
        world: int,
        seed: int,
        usable: np.ndarray | None = None,
        shares: np.ndarray | None = None,
        limit: float = 0.0,
    ) -> None:
        """``usable`` (num_videos,): the indices to draw from; None: 0 .. num_videos - 1.

        ``limit``: batches of an epoch, a number or a share below 1; 0: all.
        """
        self.num_videos = num_videos
        self.usable = usable
        self.batch_size = batch_size
        self.rank = rank
        self.world = world
        self.seed = seed
        self.shares = shares
        self.limit = limit
        self.epoch = 0
        self.start = 0  # the first batch to give

    def set_epoch(self, epoch: int) -> None:
        self.epoch, self.start = epoch, 0

    def __len__(self) -> int:
        return limited(self.limit, self.num_videos // (self.batch_size * self.world))

    def __iter__(self) -> Iterator[list[Key]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        order = draw_order(self.shares, self.num_videos, rng)
        repeats = count_repeats(order)
        if self.usable is not None:
            order = self.usable[order]
        step = self.batch_size * self.world
        first_of_rank = self.start * step + self.rank * self.batch_size
        for first in range(first_of_rank, len(self) * step, step):
            batch = slice(first, first + self.batch_size)
            yield [
                (self.epoch, index, repeat) if repeat else (self.epoch, index)
                for index, repeat in zip(
                    order[batch].tolist(), repeats[batch].tolist(), strict=True
                )
            ]


class EvalBatches(Sampler[list[Key]]):
    """Every video once, in order, none repeated: process ``rank`` takes each ``world``-th group.

    A group of ``together`` videos in a row stays together, in one batch of one process.
    """

    def __init__(
        self,
        num_videos: int,
        *,
        batch_size: int,
        rank: int,
        world: int,
        together: int = 1,
        chosen: np.ndarray | None = None,
        limited: str = "",
    ) -> None:
        """``chosen``: the indices of a part of the videos; None: all; ``limited``: what part, to say.

        Groups of several videos are batches themselves, for any ``batch_size``.
        """
        everything = np.arange(num_videos) if chosen is None else chosen
        groups = np.arange(len(everything)) // together
        self.indices = everything[groups % world == rank].tolist()
        self.limited = limited
        self.batch_size = together if together > 1 else batch_size
        self.epoch = 0
        self.start = 0  # the first batch to give

    def set_epoch(self, epoch: int) -> None:
        self.epoch, self.start = epoch, 0

    def __len__(self) -> int:
        return -(-len(self.indices) // self.batch_size)

    def __iter__(self) -> Iterator[list[Key]]:
        for start in range(self.start * self.batch_size, len(self.indices), self.batch_size):
            yield [(self.epoch, i) for i in self.indices[start : start + self.batch_size]]
