"""The finest settings that keep a time."""

import pytest

from timesformer.detection.online.budget import (
    BudgetError,
    Choice,
    Cost,
    choose,
    measure,
    parse_budget,
)
from timesformer.inference.predictor import Predictor

SLOW, FAST = Cost("fp32", 3, 0.3), Cost("fp32", 1, 0.1)


@pytest.mark.parametrize(
    ("budget", "span", "expected"),
    [
        (1.0, 8.0, Choice(SLOW, 1.0)),  # 0.3 <= 0.8 * 1
        (1.0, 2.0, Choice(SLOW, 0.5)),
        (0.2, 8.0, Choice(FAST, 1.0)),  # three crops take too long
        (1.0, 0.5, Choice(FAST, 0.125)),  # three crops would leave windows side by side
        (1.0, 0.125, Choice(FAST, 0.125)),  # nothing is finer here
    ],
)
def test_the_finest_that_fits(budget, span, expected):
    assert choose([SLOW, FAST], span=span, budget=budget) == expected


def test_what_is_not_needed_is_not_measured():
    def costs():
        yield SLOW
        raise AssertionError("measured though the first one fits")

    assert choose(costs(), span=8, budget=1).cost is SLOW


@pytest.mark.parametrize(("budget", "span"), [(0.05, 8.0), (1.0, 0.1)])
def test_nothing_fits(budget, span):
    with pytest.raises(
        BudgetError, match=r"but a window takes 100 ms here at best \(fp32, 1 crop\)"
    ):
        choose([SLOW, FAST], span=span, budget=budget)


@pytest.mark.parametrize(("text", "seconds"), [("200ms", 0.2), ("1.5s", 1.5), ("2s", 2)])
def test_times(text, seconds):
    assert parse_budget(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "200", "0ms", "-1s", "1 s", "fast"])
def test_no_time(text):
    with pytest.raises(BudgetError, match="write a time as 200ms or 1.5s"):
        parse_budget(text)


def test_a_window_is_measured(trained):
    assert 0 < measure(Predictor.from_checkpoint(trained()[1], "cpu"), crops=3) < 60
