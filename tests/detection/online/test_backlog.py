"""Which windows are skipped: whole ones, the oldest first, and all are counted."""

import threading

import pytest

from timesformer.detection.frames import Stopped
from timesformer.detection.online.backlog import Backlog, LateError, Waiting, parse_late


def filled(policy, *items):
    backlog = Backlog(parse_late(policy))
    for item in items:
        backlog.put(Waiting(item, f"skipped {item}") if isinstance(item, int) else item)
    return backlog


def taken(backlog):
    found = []
    while (item := backlog.get(0)) is not None:
        found.append(item)
    return found


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("skip", ["a", "skipped 1", "skipped 2", "b", "skipped 3", 4]),
        ("queue:1", ["a", "skipped 1", "skipped 2", "b", "skipped 3", 4]),
        ("queue:3", ["a", "skipped 1", 2, "b", 3, 4]),
        ("queue:9", ["a", 1, 2, "b", 3, 4]),
    ],
)
def test_the_newest_windows_are_kept_and_order_is_that_of_time(policy, expected):
    assert taken(filled(policy, "a", 1, 2, "b", 3, 4)) == expected


def test_a_window_that_is_computed_does_not_count_as_waiting():
    backlog = filled("skip", 1)
    assert backlog.get(0) == 1
    backlog.put(Waiting(2, "skipped 2"))
    assert taken(backlog) == [2]


def test_reading_waits_for_the_model_on_demand():
    backlog, given = Backlog(parse_late("wait")), []

    def read():
        for i in range(9):
            backlog.put(Waiting(i, "skipped"))
            given.append(i)

    thread = threading.Thread(target=read)
    thread.start()
    assert [backlog.get(5) for _ in range(9)] == list(range(9))
    thread.join(5)
    assert given == list(range(9))


def test_what_is_left_is_skipped_and_reading_ends():
    backlog = filled("wait", 1, "a", 2)
    assert backlog.drain() == ["skipped 1", "a", "skipped 2"]
    with pytest.raises(Stopped):
        backlog.put("b")
    assert backlog.get(0) is None


def test_a_reader_that_waits_is_woken_by_the_end():
    backlog, ended = filled("wait", 1, 2, 3, 4), []

    def read():
        with pytest.raises(Stopped):
            backlog.put(Waiting(5, "skipped"))
        ended.append(True)

    thread = threading.Thread(target=read)
    thread.start()
    backlog.drain()
    thread.join(5)
    assert ended


@pytest.mark.parametrize("text", ["", "drop", "queue", "queue:0", "queue:-1", "queue:2.5", "skip "])
def test_another_policy_is_refused(text):
    with pytest.raises(LateError, match="write skip, wait, or queue:N for N windows, 1 to 9999"):
        parse_late(text)
