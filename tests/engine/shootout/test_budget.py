"""Epochs that fit into a budget."""

import pytest

from timesformer.engine.shootout.budget import (
    BudgetError,
    Sizes,
    Trial,
    epochs_within,
    fold_seconds,
    plan_epochs,
)

SIZES = Sizes(num_folds=3, num_train=100, num_test=50)
FAST = Trial(seconds=10, startup=5, clips_per_second=50)  # an epoch in 2 s, a test in 1 s
SLOW = Trial(seconds=30, startup=5, clips_per_second=5)  # 20 s and 10 s


@pytest.mark.parametrize("trial", [FAST, SLOW])
def test_as_many_epochs_fit_as_take_that_long(trial):
    for epochs in (1, 2, 17):
        seconds = fold_seconds(trial, SIZES, epochs)
        assert epochs_within(seconds + 1e-6, trial, SIZES) == epochs
        assert epochs_within(seconds - 0.1, trial, SIZES) == epochs - 1
    assert epochs_within(1.0, trial, SIZES) == 0


def test_models_share_what_the_trials_leave():
    """(640 - 40) / 2 models / 3 folds: 100 s each; 94 s of 2 s, 85 s of 20 s."""
    planned = plan_epochs(640, {"a": FAST, "b": SLOW}, SIZES, {"a": 30, "b": 30})
    assert planned == {"a": 30, "b": 4}
    assert plan_epochs(640, {"a": FAST, "b": SLOW}, SIZES, {"a": 99, "b": 99})["a"] == 47
    assert plan_epochs(640, {}, SIZES, {}) == {}


def test_a_budget_that_is_too_small_says_what_an_epoch_takes_and_what_is_enough():
    """35 s with b; 40 s of trials and 2 models x 3 folds x 35 s are 250 s."""
    with pytest.raises(BudgetError) as error:
        plan_epochs(120, {"a": FAST, "b": SLOW}, SIZES, {"a": 30, "b": 30})
    message = str(error.value)
    assert (
        "--budget 2.0 min is too small: one epoch of a fold and its test take 35 s with b"
        in message
    )
    assert "have 13 s for each fold; --budget 5min is enough" in message
    assert plan_epochs(300, {"a": FAST, "b": SLOW}, SIZES, {"a": 1, "b": 1})["b"] == 1
