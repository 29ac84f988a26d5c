"""Scores over time: the file, and the parts of a damaged video without frames."""

import numpy as np
import pytest

from timesformer.detection.timeline import (
    Gap,
    Timeline,
    TimelineError,
    find_gaps,
    in_gaps,
    read_timeline,
)


def test_a_timeline_is_read_as_it_was_written(tmp_path):
    made = Timeline(
        "a b.mp4",
        np.array([[0, 2], [1, 3.0]]),
        np.array([[0.2, 0.8], [np.nan, np.nan]], np.float32),
        ("wälk", "run"),
        3.0,
    )
    made.save(tmp_path / "scores.npz")
    found = read_timeline(tmp_path / "scores.npz")
    for name in ("windows", "probabilities"):
        assert np.array_equal(getattr(found, name), getattr(made, name), equal_nan=True)
    assert (found.video, found.class_names, found.duration) == ("a b.mp4", ("wälk", "run"), 3)
    damaged = bytearray((tmp_path / "scores.npz").read_bytes())
    damaged[60:100] = b"\xff" * 40  # in the first array
    np.save(tmp_path / "one.npy", np.ones(3))
    one_array = (tmp_path / "one.npy").read_bytes()
    for content in (b"", b"PK\x03\x04", bytes(damaged), one_array):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(TimelineError, match="run timesformer detect again"):
            read_timeline(tmp_path / "bad.npz")


def test_holes_and_a_lost_end_are_gaps():
    seconds = np.concatenate([np.arange(10), np.arange(15, 20)]) / 10
    gaps = find_gaps(seconds, 0.1, ["bad packet"], 23)
    assert [(round(g.start, 6), round(g.end, 6)) for g in gaps] == [(1.0, 1.5), (2.0, 2.3)]
    assert {gap.reason for gap in gaps} == {"bad packet"}
    assert find_gaps(seconds, 0.1, [], 23) == ()  # uneven times are no damage


def test_a_window_that_lies_in_a_gap_by_more_than_a_tenth_is_not_seen():
    windows = np.array([[0, 2], [0.85, 2.85], [0.75, 2.75], [3, 5.0]])
    assert in_gaps(windows, [Gap(2.7, 3.0, "x")]).tolist() == [False, False, False, False]
    assert in_gaps(windows, [Gap(2.5, 3.0, "x")]).tolist() == [False, True, True, False]
