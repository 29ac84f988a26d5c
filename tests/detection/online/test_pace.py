"""Packets of a paced file come when they are due; one that is late has arrived in time."""

import threading
import time
from fractions import Fraction
from types import SimpleNamespace

import pytest

from timesformer.detection.frames import Stopped
from timesformer.detection.online.pace import Arrival, Pace


def packet(ticks, *, dts=True):
    return SimpleNamespace(
        dts=ticks if dts else None, pts=ticks, time_base=Fraction(1, 1000), size=1
    )


def test_packets_are_held_back_until_they_are_due():
    pace = Pace(threading.Event(), 2.0)
    pace.begin()
    pace(packet(500))
    zero = pace.released
    for ticks in (540, 620, 700):
        pace(packet(ticks))
        assert pace.arrived == pytest.approx(zero + (ticks - 500) / 2000)
        assert pace.released >= pace.arrived


def test_a_late_packet_has_arrived_in_time():
    pace = Pace(threading.Event(), 1.0)
    pace.begin()
    pace(packet(0))
    zero = pace.arrived
    time.sleep(0.1)
    pace(packet(20))
    assert pace.arrived == pytest.approx(zero + 0.02)
    assert pace.released > pace.arrived + 0.05


def test_a_wait_that_ends_early_takes_no_negative_time():
    pace = Pace(SimpleNamespace(is_set=lambda: False, wait=lambda seconds: False), 1.0)
    pace.begin()
    pace(packet(0))
    pace(packet(5000))
    assert pace.released == pace.arrived


def test_nothing_is_held_back_before_the_video_begins_or_without_a_time():
    pace = Pace(threading.Event(), 1e-6)
    pace(packet(0))
    pace(packet(5000))
    pace.begin()
    pace(packet(None))
    pace(packet(9000))
    assert time.monotonic() - pace.released < 5


@pytest.mark.parametrize("made", [Arrival, lambda stop: Pace(stop, 1.0)])
def test_the_end_wakes_it(made):
    stop = threading.Event()
    arrival = made(stop)
    arrival.begin()
    arrival(packet(0))
    threading.Timer(0.1, stop.set).start()

    def run():
        for ticks in range(0, 10_000_000, 10_000):
            arrival(packet(ticks))
            time.sleep(0.01)

    with pytest.raises(Stopped):
        run()
