"""Actions are told when they have gone on for a while; nothing that is a segment is lost."""

import numpy as np
import pytest

from timesformer.detection.online.announcer import Announcer
from timesformer.detection.rules import SegmentRules
from timesformer.detection.segments import Event, Segmenter, find_segments


def event(kind, label, start, known_at, end=None):
    return Event(kind, label, start, end, 0.9, known_at)


def fed(announcer, events, now, active="abc"):
    return announcer.feed(events, now, active=active)


def test_without_a_hold_events_are_told_at_once():
    announcer = Announcer(0)
    begin = event("start", "a", 1.0, 2.0)
    assert fed(announcer, [begin], 2.0) == [begin]
    end = event("end", "a", 1.0, 4.0, 3.0)
    assert fed(announcer, [end], 4.0) == [end]


def test_a_beginning_is_told_after_the_hold():
    announcer = Announcer(1.0)
    begin = event("start", "a", 1.0, 2.0)
    assert fed(announcer, [begin], 2.0) == []
    assert fed(announcer, [], 2.5) == []
    assert fed(announcer, [], 3.0) == [begin._replace(known_at=3.0)]
    assert fed(announcer, [], 9.0) == []


def test_a_false_alarm_within_the_hold_is_never_told():
    announcer = Announcer(1.0)
    fed(announcer, [event("start", "a", 1.0, 2.0)], 2.0)
    assert fed(announcer, [event("withdrawn", "a", 1.0, 2.5, 1.5)], 2.5) == []
    assert fed(announcer, [], 9.0) == []


def test_a_class_that_does_not_go_on_is_not_told_before_it_does():
    announcer = Announcer(0.5)
    begin = event("start", "a", 1.0, 2.0)
    assert fed(announcer, [begin], 2.0) == []
    assert fed(announcer, [], 3.0, active="") == []  # it may be continued within min_off
    assert fed(announcer, [], 3.5) == [begin._replace(known_at=3.5)]


def test_a_class_of_one_window_is_never_told_with_a_hold():
    rules = SegmentRules(onset=0.6, offset=0.4, min_on=0.6, min_off=1.0)
    machine, announcer, told = Segmenter("ab", rules), Announcer(0.3), []
    for i in range(20):
        score = np.array([0.9 if i == 5 else 0.1, 0.0])
        told += fed(announcer, machine.feed(i / 4, i / 4 + 1, score), i / 4 + 1, machine.active)
    assert told == []


def test_a_segment_shorter_than_the_hold_is_told_as_a_whole():
    announcer = Announcer(5.0)
    fed(announcer, [event("start", "a", 1.0, 2.0)], 2.0)
    end = event("end", "a", 1.0, 4.0, 3.0)
    assert fed(announcer, [end], 4.0) == [event("start", "a", 1.0, 4.0), end]


def test_a_later_correction_is_told():
    announcer = Announcer(0.0)
    fed(announcer, [event("start", "a", 1.0, 2.0)], 2.0)
    gone = event("withdrawn", "a", 1.0, 3.0, 1.5)
    assert fed(announcer, [gone], 3.0) == [gone]


@pytest.mark.parametrize("hold", [0.0, 0.7, 2.0, 50.0])
def test_the_segments_are_those_of_a_recording_for_any_hold(hold):
    rng = np.random.default_rng(int(hold * 10))
    scores = rng.random((200, 3)).astype(np.float32)
    rules = SegmentRules(onset=0.6, offset=0.4, min_on=0.5, min_off=0.3, smooth="median:3")
    starts = np.arange(200) * 0.25
    machine, announcer, told = Segmenter("abc", rules), Announcer(hold), []
    for start, row in zip(starts.tolist(), scores, strict=True):
        told += fed(announcer, machine.feed(start, start + 0.5, row), start + 0.5, machine.active)
    told += fed(announcer, machine.close(), 51.0)
    found = sorted((e.start, e.end, e.label) for e in told if e.kind == "end")
    expected = find_segments(starts, starts + 0.5, scores, "abc", rules)
    assert found == [(row.start, row.end, row.label) for row in expected]
    open_now = set()
    for each in told:  # every end has had its beginning
        if each.kind == "start":
            assert each.label not in open_now
            open_now.add(each.label)
        else:
            open_now.remove(each.label)
    assert not open_now
