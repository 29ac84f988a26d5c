"""Windows of several lengths over one video, and their scores as those of one grid.

A window of scale s is s times as long as the model's clip, and s strides come between two: the model sees
its frames spread over it. The grid of the smallest scale is that of the result.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from timesformer.config import ConfigError
from timesformer.io.terminal import printable

if TYPE_CHECKING:  # they import torch, which watch-eval does not need
    from timesformer.datasets.views import Views
    from timesformer.detection.windows import Grid

ONE = (1.0,)


class Scale(NamedTuple):
    """Windows of one length."""

    factor: float
    grid: "Grid"
    view: "Views"  # of a window


class ScaleScores(NamedTuple):
    """The windows of one scale, see ``Timeline``."""

    factor: float
    windows: np.ndarray  # (W, 2) seconds
    probabilities: np.ndarray  # (W, K); nan in gaps


def parse_scales(text: str) -> tuple[float, ...]:
    """The numbers of ``1,2``; a ConfigError if it is something else, see ``check_scales``."""
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(
            f"--scales is {printable(text)!r}; write numbers with commas, as 1,2"
        ) from None
    return check_scales(scales)


def check_scales(scales: Sequence[float]) -> tuple[float, ...]:
    """``scales``, rising.

    Raises:
        ConfigError: one is not above 0 or occurs twice, or 1 is not among them.
    """
    shown = ",".join(f"{scale:g}" for scale in scales)
    if not all(math.isfinite(scale) and scale > 0 for scale in scales):
        raise ConfigError(f"--scales {shown}: a scale must be above 0")
    if len({*scales}) < len(scales):
        raise ConfigError(f"--scales {shown}: a scale occurs twice; name each once")
    if 1 not in scales:
        raise ConfigError(
            f"--scales {shown}: 1, the length that the model is made for, is missing; add it"
        )
    return tuple(sorted(scales))


def combine(scores: Sequence[ScaleScores]) -> np.ndarray:
    """Probabilities (W, K) of the windows of the first, smallest scale.

    Of each scale a window has the mean over the windows that cover its middle, of the smallest scale its
    own; the result is the highest of the scales, class by class, so that a class is found where one scale
    sees it. A scale without a window there, as at the end of the video, does not count, nor do windows in
    gaps. Where the window itself is in a gap, it is nan.

    On ten untrimmed motion films (scales 1 and 2, average mAP 0.3 : 0.7, rules tuned) this gives 0.510,
    the mean of the scales 0.432, the nearest windows instead of the covering ones 0.435, the highest of
    all covering windows 0.246; scale 1 alone 0.562, as actions are about as long as a clip there.
    """
    own = scores[0]
    middles = own.windows.mean(axis=1)
    parts = [own.probabilities, *(covering_means(middles, other) for other in scores[1:])]
    highest = np.fmax.reduce(parts).astype(own.probabilities.dtype)
    highest[np.isnan(own.probabilities[:, 0])] = np.nan
    return np.asarray(highest)


def covering_means(moments: np.ndarray, scores: ScaleScores) -> np.ndarray:
    """Mean (M, K) of the windows that cover each moment (M,), rising; nan where there is none."""
    seen = ~np.isnan(scores.probabilities[:, 0])
    windows, found = scores.windows[seen], scores.probabilities[seen].astype(np.float64)
    sums = np.concatenate([np.zeros((1, scores.probabilities.shape[1])), np.cumsum(found, axis=0)])
    first = np.searchsorted(windows[:, 1], moments, side="right")  # an end is not covered
    beyond = np.searchsorted(windows[:, 0], moments, side="right")
    counts = np.maximum(beyond - first, 0)[:, None]
    means = (sums[np.maximum(beyond, first)] - sums[first]) / np.maximum(counts, 1)
    return np.asarray(np.where(counts > 0, means, np.nan))
