"""What the thread that reads notes beside the frames."""

from types import SimpleNamespace

import numpy as np
import pytest

from timesformer.detection.online.reading import BEHIND_SECONDS, BURST_SECONDS, _CountedLive

IMAGE = np.zeros((2, 2, 3), np.uint8)


def told(seconds, arrived):
    """The changes that are told of frames at ``seconds`` of the stream that arrive at ``arrived``."""
    found, nothing = [], SimpleNamespace(begin=lambda *_: None, take=lambda *_: None)
    reading = SimpleNamespace(
        frames=0,
        arrival=SimpleNamespace(released=0.0),
        backlog=SimpleNamespace(put=found.append, reading_waits=False),
        show=lambda image: None,
    )
    visitor = _CountedLive(nothing, reading)
    visitor.begin(25.0, 0.04, "")
    for second, time in zip(seconds, arrived, strict=True):
        reading.arrival.released = time
        visitor.take(round(second / 0.04), IMAGE)
    return found


def test_frames_that_come_in_bursts_are_not_behind():
    seconds = np.arange(0, 120, 0.04)
    segments = 6.0 * (1 + np.floor(seconds / 6))  # whole segments of HLS
    assert told(seconds, segments) == []
    assert BURST_SECONDS > 6 > BEHIND_SECONDS


@pytest.mark.parametrize("lost", [3.0, 9.0])
def test_a_source_that_does_not_catch_up_is_told_once(lost):
    seconds = np.arange(0, 60, 0.04)
    [change] = told(seconds, seconds + lost * (seconds > 25))
    assert change.reason == f"frames come {lost:.1f} s later than they did"
    assert 25 < change.at <= 25 + 2 * BURST_SECONDS


def test_a_source_that_catches_up_is_not_told():
    seconds = np.arange(0, 60, 0.04)
    late = np.where((seconds > 25) & (seconds < 28), 28, seconds)
    assert told(seconds, late) == []
