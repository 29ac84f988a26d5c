"""Intervals against statsmodels, against naive loops, and against the truth of simulated runs."""

import numpy as np
import pytest
from scipy.stats import norm, t
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from timesformer.evaluation.report import intervals

RUNS = 5000


@pytest.mark.parametrize(("right", "count"), [(0, 1), (1, 1), (3, 7), (170, 400), (400, 400)])
def test_a_share_has_wilsons_interval(right, count):
    answers = np.arange(count) < right
    found = intervals.share_interval(answers, None)
    assert found[:2] == pytest.approx(proportion_confint(right, count, method="wilson"))


def test_groups_of_one_video_are_no_groups_but_for_students_t():
    right = np.random.default_rng(0).random(2000) < 0.7
    alone = intervals.share_interval(right, None)
    grouped = intervals.share_interval(right, np.arange(len(right)))
    assert grouped[:2] == pytest.approx(alone[:2], abs=2e-4)


def test_the_variance_of_groups_is_that_of_leaving_each_out():
    rng = np.random.default_rng(1)
    groups, right = rng.integers(7, size=90), rng.random(90) < 0.6
    values = [right[groups != g].mean() for g in range(7)]
    variance = 6 / 7 * sum((value - right.mean()) ** 2 for value in values)
    found = intervals.spread_of((right - right.mean()) / 90, groups)
    assert found.variance == pytest.approx(variance, rel=1e-12)
    shares = np.bincount(groups) / 90
    assert found.critical == pytest.approx(t.ppf(0.975, 1 / (shares**2).sum() - 1))


def test_groups_that_agree_widen_an_interval_as_if_they_were_single_videos():
    groups = np.repeat(np.arange(50), 8)
    right = np.repeat(np.random.default_rng(2).random(50) < 0.7, 8)
    found = intervals.share_interval(right, groups)
    plain = intervals.share_interval(right, None)
    once = intervals.share_interval(right[::8], np.arange(50))
    assert found[:2] == pytest.approx(once[:2])
    assert found.high - found.low > 2 * (plain.high - plain.low)


@pytest.mark.parametrize("value", [0, 1])
def test_all_right_in_few_groups_is_not_certain(value):
    right = np.full(400, bool(value))
    found = intervals.share_interval(right, np.repeat(np.arange(4), 100))
    assert found.high - found.low > 0.6
    assert intervals.share_interval(right, np.zeros(400, int))[:2] == (0, 1)


def grouped_runs(rng, num_videos, share, num_groups, correlation):
    """Codes and answers of a run whose groups are of unequal size and difficulty."""
    sizes = rng.multinomial(num_videos - num_groups, rng.dirichlet(np.full(num_groups, 3.0))) + 1
    codes = np.repeat(np.arange(num_groups), sizes)
    strength = (1 - correlation) / correlation
    difficulty = rng.beta(share * strength, (1 - share) * strength, num_groups)
    return codes, rng.random(num_videos) < difficulty[codes]


@pytest.mark.parametrize(
    ("num_videos", "share", "num_groups", "correlation"),
    [(400, 0.8, 0, 0), (1000, 0.5, 0, 0), (1000, 0.6, 50, 0.1), (1500, 0.8, 100, 0.3),
     (3783, 0.9, 175, 0.2)],
)  # fmt: skip
def test_95_of_100_intervals_hold_the_truth(num_videos, share, num_groups, correlation):
    rng, held = np.random.default_rng(3), 0
    for _ in range(RUNS):
        if num_groups:
            codes, right = grouped_runs(rng, num_videos, share, num_groups, correlation)
        else:
            codes, right = None, rng.random(num_videos) < share
        found = intervals.share_interval(right, codes)
        held += found.low <= share <= found.high
    assert 0.94 <= held / RUNS <= 0.96


def test_intervals_that_ignore_groups_hold_it_less_often():
    rng, held = np.random.default_rng(4), 0
    for _ in range(500):
        _, right = grouped_runs(rng, 400, 0.8, 40, 0.2)
        found = intervals.share_interval(right, None)
        held += found.low <= 0.8 <= found.high
    assert held / 500 < 0.85


@pytest.mark.parametrize("num_groups", [0, 60])
def test_5_of_100_equal_pairs_seem_different(num_groups):
    rng, excluded, small = np.random.default_rng(5), 0, 0
    for _ in range(RUNS):
        codes, first = None, rng.random(600) < 0.5
        if num_groups:
            codes, first = grouped_runs(rng, 600, 0.5, num_groups, 0.2)
        both, differs = rng.random(600) < 0.7, rng.random(600) < 0.25
        a, b = np.where(differs, first, both), np.where(differs, ~first, both)
        found = intervals.paired_difference(a, b, codes)
        excluded += not found.interval.low <= 0 <= found.interval.high
        small += found.p < 0.05
    assert 0.04 <= excluded / RUNS <= 0.06
    assert abs(small - excluded) <= RUNS / 500  # the interval and the test say the same


def test_95_of_100_intervals_hold_a_true_difference():
    rng, held = np.random.default_rng(6), 0
    for _ in range(RUNS):
        place = rng.random(500)
        a, b = place < 0.8, (place > 0.1) & (place < 0.85)  # 0.1 A alone, 0.05 B alone
        found = intervals.paired_difference(a, b, None).interval
        held += found.low <= 0.05 <= found.high
    assert 0.94 <= held / RUNS <= 0.96


@pytest.mark.parametrize(("only_a", "only_b", "count"), [(43, 8, 400), (0, 0, 100), (5, 5, 20)])
def test_the_limits_of_a_difference_invert_the_score_test(only_a, only_b, count):
    """At a limit the best fitting table is 1.96 standard deviations away; found by a fine grid."""
    low, high, _ = intervals.tango(only_a, only_b, count)
    for limit in (low, high):
        chances = np.linspace(max(-limit, 0) + 1e-9, 1 - 1e-9, 400_000)  # of B alone
        other = chances + limit  # of A alone
        inside = (other > 0) & (chances + other < 1)
        chances, other = chances[inside], other[inside]
        rest = count - only_a - only_b
        likelihood = only_a * np.log(other) + only_b * np.log(chances)
        likelihood = likelihood + rest * np.log(1 - chances - other)
        best = likelihood.argmax()
        variance = (chances[best] + other[best] - limit**2) / count
        distance = abs((only_a - only_b) / count - limit) / np.sqrt(variance)
        assert distance == pytest.approx(1.959964, abs=2e-3)


def test_the_ends_of_a_difference():
    same = np.ones(50, bool)
    assert intervals.paired_difference(same, same, None)[::2] == (0, 1)
    assert intervals.paired_difference(same, ~same, None).interval.high == 1
    assert intervals.paired_difference(~same, same, None).interval.low == -1
    one_group = intervals.mean_difference(0.1, np.full(9, 0.1), np.zeros(9, int))
    assert one_group.interval[:2] == (-1, 1)
    assert one_group.p == 1


@pytest.mark.parametrize("num_videos", [8, 30])
def test_one_group_tells_nothing_apart(num_videos):
    """Clips of a single film were counted as independent, or ended with an error of the search."""
    right = np.ones(num_videos, bool)
    for other in (~right, right):
        found = intervals.paired_difference(right, other, np.zeros(num_videos, int))
        assert found.interval[:2] == (-1, 1)
        assert found.p == 1


def test_groups_that_say_the_same_count_as_one_video_each():
    """One video in ten more was certain (p = 0) if each of two films had it."""
    more = np.arange(20) % 10 == 0
    found = intervals.paired_difference(more, np.zeros(20, bool), np.arange(20) // 10)
    alone = intervals.tango(0.2, 0, 2)
    assert found.interval[:2] == pytest.approx(alone[:2])
    assert found.interval.method == "Tango, 2 groups"
    assert found.interval.low < 0 < found.p
    assert found.p == pytest.approx(2 * norm.sf(0.2 / np.sqrt(0.2)))


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (1, 0), (10, 3), (230, 0), (40, 41)])
def test_the_exact_p_is_that_of_statsmodels(only_a, only_b):
    theirs = their_mcnemar([[50, only_a], [only_b, 50]], exact=True).pvalue
    assert intervals.mcnemar(only_a, only_b) == pytest.approx(theirs if only_a + only_b else 1)


def test_several_tests_are_adjusted_as_statsmodels_does():
    values = [0.03, 0.001, 0.2, 0.04, 0.9, 0.001]
    theirs = multipletests(values, method="holm")[1]
    assert intervals.holm(values) == pytest.approx(theirs)
