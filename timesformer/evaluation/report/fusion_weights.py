"""The weights of a late fusion: equal, given, or those of the highest likelihood on val.

The fused probability of a class is the mean of those of R runs, weighted by w on the simplex. The log
likelihood is concave in w, so its maximum is found from any start.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from timesformer.errors import InputError
from timesformer.evaluation.report.predictions import Predictions
from timesformer.evaluation.report.probabilities import class_probabilities

FEWEST = 10  # videos to fit on


class FusionError(InputError, ValueError):
    """Runs or weights that cannot be fused; the message names the rule and the remedy."""


class Weights(NamedTuple):
    """Weights of R runs, which sum to 1, and where they come from."""

    values: tuple[float, ...]
    how: str


def equal_weights(num_runs: int) -> Weights:
    """1 / R each."""
    return Weights((1 / num_runs,) * num_runs, "equal weights")


def given_weights(values: Sequence[float], num_runs: int) -> Weights:
    """The given ones, divided by their sum.

    Raises:
        FusionError: they are not one for each run, or negative, or all 0.
    """
    if len(values) != num_runs:
        raise FusionError(f"--weights has {len(values)} numbers for {num_runs} runs; give one each")
    for value in values:
        if not math.isfinite(value) or value < 0:
            raise FusionError(f"--weights has {value:g}; a weight is a number from 0")
    total = math.fsum(values)
    if not 0 < total < math.inf:
        raise FusionError(f"the numbers of --weights sum to {total:g}; one of them must be above 0")
    return Weights(tuple(value / total for value in values), "given weights")


def fit_weights(validation: Sequence[Predictions]) -> Weights:
    """The weights of the highest log likelihood.

    Args:
        validation: the predictions of R runs on the same videos in the same order.

    Raises:
        FusionError: there are fewer than 10 videos.
    """
    num_videos = len(validation[0].keys)
    if num_videos < FEWEST:
        raise FusionError(
            f"--weights auto: the runs have {num_videos} videos of val in common; fitting needs {FEWEST} "
            "or more, so give numbers"
        )
    observed = np.stack([observed_probabilities(run) for run in validation])  # (R, M)
    values = _most_likely(observed)
    fitted, equal = (
        float(np.log(w @ observed).mean())
        for w in (values, np.full(len(observed), 1 / len(observed)))
    )
    how = (
        f"weights fitted on {num_videos} videos of val, log likelihood {fitted:.4f}, with equal weights "
        f"{equal:.4f}"
    )
    return Weights(tuple(values.tolist()), how)


def observed_probabilities(run: Predictions) -> np.ndarray:
    """What a run gave to what is true, (M,): to the label of each video, or for each video and class."""
    found = class_probabilities(run)
    if run.is_multi_label:
        own = np.where(run.labels, found, 1 - found).reshape(-1)
    else:
        own = found[np.arange(len(found)), run.labels]
    return np.maximum(own, np.finfo(np.float64).eps)  # where 0 is written


def _most_likely(observed: np.ndarray) -> np.ndarray:
    """The weights (R,) on the simplex of the highest mean of ``log(w @ observed)``."""
    num_runs = len(observed)

    def badness(w: np.ndarray) -> tuple[float, np.ndarray]:
        mixed = w @ observed
        return -float(np.log(mixed).mean()), -(observed / mixed).mean(axis=1)

    found = minimize(
        badness,
        np.full(num_runs, 1 / num_runs),
        jac=True,
        bounds=[(0, 1)] * num_runs,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 1000},
    )
    values = np.clip(found.x, 0, 1)
    return np.asarray(values / values.sum())
