"""Leave-one-out classification: whether the nearest other video has the same class."""

from collections.abc import Callable

import numpy as np

ROWS = 1024  # of similarities at once


def nearest_neighbours(
    similarity: Callable[[slice], np.ndarray], labels: np.ndarray, groups: np.ndarray | None
) -> np.ndarray:
    """Whether the nearest other video of each has its label, (N,) bool.

    Args:
        similarity: (n, N) of the videos of a slice with all; higher is nearer.
        labels: (N,).
        groups: (N,); videos of the same group are passed over. None: only the video itself.
    """
    codes = np.arange(len(labels)) if groups is None else groups
    found = np.zeros(len(labels), bool)
    for first in range(0, len(labels), ROWS):
        rows = slice(first, min(first + ROWS, len(labels)))
        near = similarity(rows).copy()
        near[codes[rows, None] == codes[None]] = -np.inf
        has_other = np.isfinite(near.max(axis=1))
        found[rows] = has_other & (labels[near.argmax(axis=1)] == labels[rows])
    return found
