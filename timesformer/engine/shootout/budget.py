"""How many epochs fit into a budget of time, from a short trial of each model: arithmetic only."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from timesformer.errors import InputError
from timesformer.io.terminal import printable
from timesformer.tables import seconds_text


class BudgetError(InputError, ValueError):
    """A budget in which a model cannot train; the message says what one epoch takes."""


class Trial(NamedTuple):
    """What a few batches of training took."""

    seconds: float  # of the whole trial
    startup: float  # seconds of it without the training: model, weights, loader, checkpoint
    clips_per_second: float  # of training


class Sizes(NamedTuple):
    """Videos of the largest parts of the folds."""

    num_folds: int
    num_train: int
    num_test: int


def fold_seconds(trial: Trial, sizes: Sizes, epochs: int) -> float:
    """Estimate of one fold: start, ``epochs``, test; a video is tested no slower than trained on."""
    return trial.startup + (epochs * sizes.num_train + sizes.num_test) / trial.clips_per_second


def epochs_within(seconds: float, trial: Trial, sizes: Sizes) -> int:
    """Epochs of a fold that takes ``seconds``; 0 if not even one fits."""
    clips = (seconds - trial.startup) * trial.clips_per_second - sizes.num_test
    return max(math.floor(clips / sizes.num_train), 0)


def share_of_fold(budget: float, trials: Mapping[str, Trial], sizes: Sizes) -> float:
    """Seconds that each fold of each model has: models have equal shares of what the trials leave."""
    left = budget - sum(trial.seconds for trial in trials.values())
    return left / max(len(trials), 1) / sizes.num_folds


def plan_epochs(
    budget: float, trials: Mapping[str, Trial], sizes: Sizes, most: Mapping[str, int]
) -> dict[str, int]:
    """Epochs of each model: as many as its share of the budget allows, and ``most`` at most.

    Raises:
        BudgetError: a model cannot train one epoch in its share.
    """
    share = share_of_fold(budget, trials, sizes)
    epochs = {name: epochs_within(share, trial, sizes) for name, trial in trials.items()}
    if lacking := [name for name, count in epochs.items() if count < 1]:
        raise BudgetError(_too_small(budget, share, trials, sizes, lacking))
    return {name: min(count, most[name]) for name, count in epochs.items()}


def _too_small(
    budget: float, share: float, trials: Mapping[str, Trial], sizes: Sizes, lacking: list[str]
) -> str:
    takes = {name: fold_seconds(trials[name], sizes, 1) for name in lacking}
    spent = sum(trial.seconds for trial in trials.values())
    enough = spent + len(trials) * sizes.num_folds * max(takes.values())
    each = ", ".join(f"{seconds_text(takes[name])} with {printable(name)}" for name in lacking)
    return (
        f"--budget {seconds_text(budget)} is too small: one epoch of a fold and its test take {each}, and "
        f"{len(trials)} model(s) of {sizes.num_folds} folds have {seconds_text(max(share, 0))} for each "
        f"fold; --budget {math.ceil(enough / 60)}min is enough, or name fewer models, lower --folds, or "
        "take --probe"
    )
