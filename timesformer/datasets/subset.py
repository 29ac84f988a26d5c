"""Parts of the data for trials: limited numbers of batches, or a few batches again and again."""

import math

import numpy as np

OVERFIT_EPOCH = 50  # batches of an epoch at least that shows the same few again and again


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


def again_and_again(videos: np.ndarray, num_batches: int) -> np.ndarray:
    """``videos`` (N,), which are ``num_batches``, repeated to an epoch of OVERFIT_EPOCH at least."""
    return np.tile(videos, -(-OVERFIT_EPOCH // num_batches))
