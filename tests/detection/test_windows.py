"""The grid of windows, and their frames: those of the list row with the same seconds."""

import numpy as np
import pytest

from timesformer.datasets.views import DenseSampling, select_within
from timesformer.detection.windows import Grid, window_frames
from timesformer.video.sampling import ClipShape
from timesformer.video.timeline import Timeline

SAMPLING = DenseSampling(ClipShape(8, 4, 30))
SELECT = SAMPLING.views(SAMPLING.parts(1, "official"))


def timeline_of(seconds, fps=30.0):
    pts = np.rint(np.asarray(seconds) * 600).astype(np.int64)
    return Timeline(pts, fps, tick_seconds=1 / 600)


def test_windows_are_a_stride_apart_and_inside_the_video():
    grid = Grid(span=2.0, stride=0.5)
    assert grid.starts(4.0).tolist() == [0, 0.5, 1, 1.5, 2]
    assert grid.starts(4.49).tolist() == [0, 0.5, 1, 1.5, 2]
    assert grid.starts(0.3).tolist() == [0]
    assert Grid(0.3, 0.1).count(1.2) == 10  # floats: 0.9 / 0.1 is less than 9


@pytest.mark.parametrize("kind", ["even", "uneven"])
def test_the_frames_are_those_of_a_list_row(kind):
    seconds = np.arange(300) / 30
    if kind == "uneven":
        seconds = np.sort(np.random.default_rng(0).random(300) * 10)
        seconds -= seconds[0]
    timeline = timeline_of(seconds)
    grid = Grid(32 / 30, 0.4)
    found = window_frames(timeline, grid, SELECT)
    for (start, end), row in zip(found.times.tolist(), found.indices, strict=True):
        expected = select_within(SELECT, start, end, name="x")(timeline)[0]
        assert np.array_equal(row, expected)


def test_a_window_without_frames_shows_the_one_before():
    seconds = np.concatenate([np.arange(60) / 30, 8 + np.arange(60) / 30])
    found = window_frames(timeline_of(seconds), Grid(32 / 30, 0.5), SELECT)
    empty = [row for (a, b), row in zip(found.times, found.indices, strict=True) if a > 2 and b < 8]
    assert len(empty) > 3
    assert {int(i) for row in empty for i in row} == {59}
