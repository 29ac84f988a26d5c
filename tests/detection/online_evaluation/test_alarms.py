"""Alarms against a loop over thresholds, classes and windows."""

import numpy as np
import pytest

from tests.detection.online_evaluation.test_frames import made_pairs
from timesformer.detection.online_evaluation.alarms import (
    MOST_THRESHOLDS,
    Rises,
    announced_operation,
    detected_within,
    find_rises,
    sweep,
)
from timesformer.detection.online_evaluation.streams import Announced


def naive_alarms(pairs, threshold, as_seen):
    """Delay of each action that is found, and the number of false alarms."""
    delays, false = {}, 0
    for video, stream in enumerate(pairs.streams):
        known = stream.known(as_seen=as_seen)
        for k in range(len(pairs.labels)):
            above = False
            for i, (start, end) in enumerate(stream.windows):
                was, above = above, bool(pairs.scores(video)[i, k] > threshold)
                if not above or was:
                    continue
                hit = [
                    a
                    for a in pairs.actions_of(video).tolist()
                    if pairs.actions.label[a] == k
                    and pairs.actions.times[a, 0] < end
                    and pairs.actions.times[a, 1] > start
                ]
                false += not hit
                for a in hit:
                    delays.setdefault(a, known[i] - pairs.actions.times[a, 0])
    return delays, false


@pytest.mark.parametrize("as_seen", [False, True])
@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.7, 0.95])
def test_alarms_are_those_of_a_loop(threshold, as_seen):
    pairs = made_pairs(5, noise=2.5)
    rises = find_rises(pairs, as_seen=as_seen)
    delays, false = naive_alarms(pairs, threshold, as_seen)
    actions, seconds = rises.found(threshold)
    assert dict(zip(actions.tolist(), seconds.tolist(), strict=True)) == pytest.approx(delays)
    assert rises.num_false(np.array([threshold])).tolist() == [false]
    assert len(delays) > 0


@pytest.mark.parametrize("rate", [0, 200, 2000])
def test_the_best_threshold_is_that_of_a_loop_over_all_scores(rate):
    pairs = made_pairs(6, noise=2.5, videos=1)
    hours = 60 / 3600
    rises = find_rises(pairs, as_seen=False)
    found = sweep(rises, len(pairs.actions), hours).best(rate)
    candidates = []
    values = {float(each) for each in pairs.scores(0).ravel()}
    assert len(values) < MOST_THRESHOLDS
    for value in sorted(values):
        delays, false = naive_alarms(pairs, value, False)
        if false / hours <= rate:
            mean = np.mean([*delays.values()]) if delays else np.inf
            candidates.append((len(delays), -mean, value, false / hours))
    detected, mean, threshold, false = max(candidates)
    assert found.detected == detected / len(pairs.actions)
    assert found.mean_seconds == pytest.approx(-mean)
    assert (found.threshold, found.false_alarms_per_hour) == (threshold, pytest.approx(false))


def test_a_class_that_always_is_on_finds_nothing_new():
    pairs = made_pairs(7, videos=1)
    pairs.streams[0].scores[:] = 0.9
    pairs.streams[0].scores[0] = 0.95
    thresholds = sweep(find_rises(pairs, as_seen=False), len(pairs.actions), 1.0)
    assert thresholds.best(1e9).detected == 0


def test_of_many_scores_some_are_tried():
    pairs = made_pairs(8, videos=6, noise=3)
    assert sum(stream.scores.size for stream in pairs.streams) > MOST_THRESHOLDS
    found = sweep(find_rises(pairs, as_seen=False), len(pairs.actions), 0.1)
    assert MOST_THRESHOLDS / 3 < len(found.values) <= MOST_THRESHOLDS
    assert found.false_rate[-1] == 0


def test_of_many_scores_the_highest_are_told_apart():
    rng = np.random.default_rng(0)
    size, actions = 200_000, 100
    high = np.append(0.9 * rng.random(size - actions), 0.9 + 0.1 * rng.random(actions))
    number = np.append(np.full(size - actions, -1), np.arange(actions))
    zeros = np.zeros(size)
    rises = Rises(zeros - 1, high, number, zeros.astype(np.int64), zeros + 0.5)
    found = sweep(rises, actions, hours=10.0)
    for rate, detected in ((0, 0.9), (1, 1.0), (10, 1.0)):
        best = found.best(rate)
        assert best.detected >= detected
        assert best.false_alarms_per_hour <= rate


def test_what_is_detected_within_so_many_seconds_is_a_share_of_all_actions():
    found = detected_within(np.array([0.4, 1.0, 7.0]), 4)
    assert (found["0.5"], found["1"], found["6"], found["8"]) == (0.25, 0.5, 0.5, 0.75)


def test_announced_starts_are_alarms_from_start_to_announcement():
    pairs = made_pairs(9, videos=1)
    (start, end), label = pairs.actions.times[0], pairs.labels[pairs.actions.label[0]]
    assert announced_operation(pairs, as_seen=False, hours=1.0) is None
    said = (
        Announced(label, start - 1, start + 0.5, 0.25),
        Announced(label, start, end, 0.25),  # the second one of the action
        Announced(label, start - 1.5, start - 0.5, 0.25),  # before it: false
        Announced("no class of the truth", 0, 1, 0.25),
    )
    object.__setattr__(pairs.streams[0], "announced", said)
    found = announced_operation(pairs, as_seen=False, hours=2.0)
    assert found.false_alarms_per_hour == 0.5
    assert found.detected == 1 / len(pairs.actions)
    assert found.mean_seconds == pytest.approx(0.5)
    assert announced_operation(pairs, as_seen=True, hours=2.0).mean_seconds == pytest.approx(0.75)
    object.__setattr__(pairs.streams[0], "announced", ())
    assert np.isnan(announced_operation(pairs, as_seen=False, hours=2.0).mean_seconds)
