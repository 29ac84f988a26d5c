"""When scores are known, and what rules announce."""

from pathlib import Path

import numpy as np
import pytest

from tests.detection.online_evaluation.made import LABELS, STRIDE, made_scores, made_truth
from timesformer.detection.online_evaluation.streams import Announced, Stream, announce
from timesformer.detection.rules import SegmentRules
from timesformer.detection.segments import Segmenter


def stream_of(seed=0, **options):
    rng = np.random.default_rng(seed)
    windows, scores = made_scores(rng, made_truth(rng)["database"]["v0"])
    return Stream("v0", Path("v0.jsonl"), LABELS, windows, scores, 60.0, STRIDE, **options)


def test_in_stream_time_a_score_is_known_when_its_window_ends():
    stream = stream_of(delays=np.full(117, 0.25))
    np.testing.assert_array_equal(stream.known(as_seen=False), stream.windows[:, 1])
    np.testing.assert_array_equal(stream.known(as_seen=True), stream.windows[:, 1] + 0.25)
    np.testing.assert_array_equal(stream_of().known(as_seen=True), stream.windows[:, 1])


def test_a_score_that_comes_after_that_of_a_later_window_was_never_the_newest():
    delays = np.zeros(117)
    delays[1] = 0.75  # the window before ends at 2.0, this one at 2.5, the next at 3.0
    known = stream_of(delays=delays).known(as_seen=True)
    assert known[:4].tolist() == [2.0, 3.0, 3.0, 3.5]


def test_windows_after_the_end_are_left_out():
    said = (Announced("run", 1, 3, None), Announced("run", 40, 50, None))
    stream = stream_of(delays=np.zeros(117), announced=said).until(10.2)
    assert stream.windows[-1, 1] == 10.0
    assert len(stream.scores) == len(stream.delays) == len(stream.windows)
    assert stream.announced == said[:1]
    assert stream_of().until(10.2).announced is None


@pytest.mark.parametrize("smooth", ["none", "mean:3"])
def test_rules_announce_as_a_segmenter_does(smooth):
    rules = SegmentRules(onset=0.4, offset=0.3, min_on=4.0, smooth=smooth)
    stream = stream_of(3, delays=np.arange(117) / 100)
    found = announce(stream, rules)
    machine = Segmenter(LABELS, rules)
    events = []
    for place, (window, row) in enumerate(zip(stream.windows, stream.scores, strict=True)):
        events += [(event, place) for event in machine.feed(*window, row)]
    starts = [(e.label, e.start, place / 100) for e, place in events if e.kind == "start"]
    assert [(e.label, e.start, e.delay) for e in found.announced] == starts
    assert len(starts) > 3
    assert found.withdrawn == sum(event.kind == "withdrawn" for event, _ in events) > 0
    assert {each.delay for each in announce(stream_of(3), rules).announced} == {None}
