"""Dynamic time warping of sequences of frame features, by dtaidistance.

Frames have length 1, so that the squared distance of two is 2 - 2 cos. A warping path steps through two
sequences, by one frame of either or of both, from the first frames to the last. The distance is the root
of the least sum of squared distances along a path. A band lets frame i meet frame j only if |i - j| is at
most its width; for sequences of different lengths it is wider by the difference.
"""

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import NamedTuple

import numpy as np

from timesformer.errors import InputError

ROWS = 64  # of the matrix, in one call of the library, which cannot be interrupted
Progress = Callable[[Iterable[int], int], Iterable[int]]  # (first rows, how many) -> the same


class Alignment(NamedTuple):
    """Of two sequences."""

    distance: float
    path: list[tuple[int, int]]  # pairs of frames, from first to last
    costs: np.ndarray  # 1 - cos of each pair of the path


def dtw_matrix(
    sequences: np.ndarray,
    *,
    band: int | None = None,
    progress: Progress = lambda rows, _: rows,
) -> np.ndarray:
    """Distances of all pairs of ``sequences`` (N, T, D) of unit vectors, (N, N) float64.

    Args:
        sequences: (N, T, D).
        band: frames; None: no limit.
        progress: shows that rows are done.

    Raises:
        InputError: dtaidistance is not installed.
    """
    library = load_dtw()
    series = list(np.ascontiguousarray(sequences, dtype=np.float64))
    count = len(series)
    found = np.zeros((count, count))
    firsts = range(0, count - 1, ROWS)
    for first in progress(firsts, len(firsts)):
        last = min(first + ROWS, count)
        part = library.distance_matrix(
            series,
            block=((first, last), (first, count)),
            window=_window(band),
            use_c=True,
            compact=True,
            parallel=False,
        )
        i, j = np.triu_indices(last - first, 1, count - first)
        found[i + first, j + first] = found[j + first, i + first] = part
    return found


def align(a: np.ndarray, b: np.ndarray, *, band: int | None = None) -> Alignment:
    """The best path of two sequences (T, D) of unit vectors.

    Raises:
        InputError: dtaidistance is not installed.
    """
    library = load_dtw()
    a, b = (np.ascontiguousarray(each, dtype=np.float64) for each in (a, b))
    path = [(int(i), int(j)) for i, j in library.warping_path(a, b, window=_window(band))]
    costs = np.array([1 - float(a[i] @ b[j]) for i, j in path])
    return Alignment(float(np.sqrt(max(2 * costs.sum(), 0.0))), path, costs)


def _window(band: int | None) -> int | None:
    """The library counts the frame itself."""
    return None if band is None else band + 1


def load_dtw() -> ModuleType:
    """dtaidistance, for sequences of vectors.

    Raises:
        InputError: it is not installed.
    """
    try:
        from dtaidistance import dtw_ndim
    except ImportError:
        raise InputError(
            "dynamic time warping needs dtaidistance; install it: pip install -e '.[dtw]'"
        ) from None
    return dtw_ndim  # type: ignore[no-any-return]
