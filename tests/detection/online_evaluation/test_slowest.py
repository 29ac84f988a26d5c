"""Videos that are detected last come first, with curves that are short and hold the highest scores."""

import numpy as np

from tests.detection.online_evaluation.test_frames import made_pairs
from timesformer.detection.online_evaluation.alarms import find_rises, sweep
from timesformer.detection.online_evaluation.slowest import MOST_POINTS, slowest_videos


def test_they_are_sorted_and_their_delays_are_those_of_alarms():
    pairs = made_pairs(2, noise=3)
    rises = find_rises(pairs, as_seen=False)
    threshold = sweep(rises, len(pairs.actions), 0.05).best(0).threshold
    shown = slowest_videos(pairs, rises, threshold)
    assert len(shown) == 3
    shares = [video["detected"] / video["actions"] for video in shown]
    assert shares == sorted(shares)
    assert shares[0] < 1
    delays = sorted(
        action["seconds"]
        for video in shown
        for line in video["classes"]
        for action in line["actions"]
        if not np.isnan(action["seconds"])
    )
    assert delays == sorted(rises.found(threshold)[1].tolist())


def test_a_long_curve_keeps_its_peaks():
    pairs = made_pairs(3, videos=1, skip=0)
    stream = pairs.streams[0]
    many = np.repeat(stream.scores, 20, axis=0)
    many[777] = 0.999
    ends = np.linspace(0.1, 60, len(many))
    object.__setattr__(stream, "windows", np.stack([ends - 0.1, ends], axis=1))
    object.__setattr__(stream, "scores", many)
    rises = find_rises(pairs, as_seen=False)
    for line in slowest_videos(pairs, rises, 0.5)[0]["classes"]:
        assert len(line["scores"]) <= MOST_POINTS
        assert max(score for _, score in line["scores"]) == 0.999
