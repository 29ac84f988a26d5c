"""Segments in lanes, and round times."""

import pytest

from timesformer.visualize.lanes import clock, fill_lanes, ticks


def segments(*times):
    return [{"start": start, "end": end} for start, end in times]


def test_no_two_of_a_lane_overlap():
    lanes = fill_lanes(segments((0, 5), (1, 3), (2, 4), (3, 6), (5, 9)), 10, 3)
    assert [bar.lane for bar in lanes.bars] == [0, 1, 2, 1, 0]
    assert [(bar.left, bar.width) for bar in lanes.bars][:2] == [(0, 50), (10, 20)]
    assert (lanes.used, lanes.left_out) == (3, 0)


def test_what_has_no_place_is_counted():
    lanes = fill_lanes(segments((0, 5), (1, 3), (2, 4), (6, 7)), 10, 2)
    assert [bar.lane for bar in lanes.bars] == [0, 1, 0]
    assert lanes.left_out == 1
    assert fill_lanes([], 10, 2) == ((), 1, 0)


def test_bars_end_with_the_video():
    (bar,) = fill_lanes(segments((8, 30)), 10, 1).bars
    assert (bar.left, bar.width) == (80, 20)


@pytest.mark.parametrize(
    ("duration", "texts"),
    [
        (10, ["0 s", "2 s", "4 s", "6 s", "8 s", "10 s"]),
        (70, ["0:00", "0:15", "0:30", "0:45", "1:00"]),
        (0.4, ["0 s", "0.1 s", "0.2 s", "0.3 s", "0.4 s"]),
        (10800, ["0:00", "1:00:00", "2:00:00", "3:00:00"]),
    ],
)
def test_ticks_are_round_times(duration, texts):
    assert [text for _, text in ticks(duration)] == texts


def test_a_clock_has_hours_if_there_are_any():
    assert [clock(65), clock(3605)] == ["1:05", "1:00:05"]
