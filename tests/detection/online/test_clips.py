"""A stream gives the clips of its recording, without knowing how long it will be."""

import numpy as np
import pytest

from timesformer.datasets.transforms import uniform_crop
from timesformer.datasets.views import DenseSampling, SegmentSampling
from timesformer.detection.online.clips import Began, Changed, Over, StreamClips, WholeWindow
from timesformer.detection.windows import Grid, window_frames
from timesformer.video.sampling import ClipShape
from timesformer.video.timeline import Timeline

TICK = 1 / 90_000
DENSE = DenseSampling(ClipShape(4, 8, 30))
SELECTS = {
    "dense": DENSE.views(DENSE.parts(1, "official")),
    "segments": SegmentSampling(4).views(SegmentSampling(4).parts(1, "official")),
}


def crop(height, width):
    return [uniform_crop(height, width, short_side=16, size=16, index=1)]


def watched(ticks, select, grid, *, fps=25.0, image=None):
    """Items of frames whose pixels are their numbers."""
    found = []
    clips = StreamClips(grid, select, crop, found.append)
    clips.begin(fps, TICK, "the stream begins")
    for i, tick in enumerate(ticks):
        side = 16 if image is None else image(i)
        clips.take(int(tick), np.full((side, side, 3), i % 256, np.uint8))
    clips.finish()
    return found


def even(count, fps=25.0):
    return np.arange(count) * round(1 / fps / TICK)


def uneven(count):
    rng = np.random.default_rng(3)
    return np.r_[0, rng.integers(900, 9000, count - 1).cumsum()]


def paused(count):
    ticks = even(count)
    ticks[count // 2 :] += 90_000 * 4
    return ticks


@pytest.mark.parametrize("select", SELECTS)
@pytest.mark.parametrize("stride", [0.1, 0.25, 1.0])
@pytest.mark.parametrize("times", [even, paused, uneven])
@pytest.mark.parametrize("count", [5, 24, 150])
def test_windows_are_those_of_the_recording(select, stride, times, count):
    ticks, grid = times(count), Grid(DENSE.shape.seconds, stride)
    began, *rest, over = watched(ticks, SELECTS[select], grid)
    timeline = Timeline(ticks.astype(np.int64), 25.0, tick_seconds=TICK, even=times is even)
    expected = window_frames(timeline, grid, SELECTS[select])
    assert isinstance(began, Began)
    assert isinstance(over, Over)
    if times is even:
        assert over.seconds == pytest.approx(timeline.duration_seconds)
    windows = [item for item in rest if isinstance(item, WholeWindow)]
    shown = [window.frames[0, 0, :, 0, 0].tolist() for window in windows]
    first_uneven = 0 if times is even else _first_uneven(ticks)
    common = min(len(shown), len(expected.indices))
    assert abs(len(shown) - len(expected.indices)) <= (0 if times is even else 1)
    assert common > 0
    for k in range(common):
        assert (windows[k].start, windows[k].end) == tuple(expected.times[k])
        if times is even or expected.times[k, 0] > first_uneven:
            assert shown[k] == (expected.indices[k] % 256).tolist()


def _first_uneven(ticks):
    """Seconds up to which nobody can know that the frames will not come at a constant rate."""
    off = np.abs(ticks * TICK * 25 - np.arange(len(ticks))) > 0.5
    return float(ticks[off.argmax()] * TICK)


def test_a_window_is_given_with_the_first_frame_after_it():
    found, grid = [], Grid(0.4, 0.2)
    clips = StreamClips(grid, SELECTS["segments"], crop, found.append)
    clips.begin(25.0, TICK, "")
    given_with = []
    for i, tick in enumerate(even(40).tolist()):
        before = len(found)
        clips.take(tick, np.zeros((16, 16, 3), np.uint8))
        given_with += [i] * (len(found) - before)
    assert given_with == [10, 15, 20, 25, 30, 35]
    assert len(clips.held) <= 11


def test_what_could_not_be_decoded_is_known_of_the_windows_that_show_it():
    found, grid = [], Grid(0.4, 0.4)
    clips = StreamClips(grid, SELECTS["segments"], crop, found.append)
    clips.begin(25.0, TICK, "")
    for i, tick in enumerate(even(60).tolist()):
        if 12 <= i < 18:
            continue
        if i == 18:
            clips.lose("Invalid data")
        clips.take(tick, np.zeros((16, 16, 3), np.uint8))
    clips.finish()
    windows = [item for item in found if isinstance(item, WholeWindow)]
    assert [window.is_unreadable for window in windows] == [False, True, *[False] * 4]


def test_a_pause_without_errors_is_no_gap():
    found = watched(paused(60), SELECTS["dense"], Grid(DENSE.shape.seconds, 0.5))
    assert not any(item.is_unreadable for item in found if isinstance(item, WholeWindow))


def test_a_pause_before_the_last_frame_makes_no_window_after_it():
    ticks = np.r_[even(100), 90_000 * 24]
    *_, over = found = watched(ticks, SELECTS["dense"], Grid(DENSE.shape.seconds, 0.5))
    assert over.seconds == pytest.approx(24 + 1 / 25)
    ends = [item.end for item in found if isinstance(item, WholeWindow)]
    assert max(ends) <= over.seconds


def test_a_new_size_is_told_and_all_frames_of_a_window_get_the_first():
    found = watched(even(100), SELECTS["dense"], Grid(DENSE.shape.seconds, 0.5),
                    image=lambda i: 16 if i < 50 else 24)  # fmt: skip
    [changed] = [item for item in found if isinstance(item, Changed)]
    assert changed.what == "frames are 24 x 24 from now on; they were 16 x 16"
    assert changed.seconds == pytest.approx(2.0)
    windows = [item for item in found if isinstance(item, WholeWindow)]
    assert {tuple(window.frames.shape) for window in windows} == {(1, 3, 4, 16, 16)}
    assert len(windows) == 6


def test_a_new_rate_is_told_once():
    found = watched(
        np.r_[even(50), 50 * 3600 + np.arange(50) * 7200], SELECTS["dense"], Grid(1.0, 0.5)
    )
    [changed] = [item for item in found if isinstance(item, Changed)]
    assert "do not come at 25 a second any more" in changed.what
    assert changed.seconds == pytest.approx(2.0, abs=0.2)


def test_time_begins_anew():
    found = []
    clips = StreamClips(Grid(0.4, 0.2), SELECTS["segments"], crop, found.append)
    for reason in ("first", "second"):
        clips.begin(25.0, TICK, reason)
        for tick in even(20).tolist():
            clips.take(tick, np.zeros((16, 16, 3), np.uint8))
    clips.finish()
    kinds = [(type(item).__name__, getattr(item, "reason", None)) for item in found]
    one = [("WholeWindow", None)] * 3 + [("Over", None)]
    assert kinds == [("Began", "first"), *one, ("Began", "second"), *one]
