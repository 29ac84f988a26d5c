"""Windows as clips while a video passes by: nothing is held that no window needs any more."""

import threading
from functools import partial

import numpy as np
import pytest

from tests.conftest import frame_number
from timesformer.datasets.transforms import uniform_crop
from timesformer.datasets.views import DenseSampling
from timesformer.detection.frames import Clip, ClipMaker, Restarted, read_ahead
from timesformer.detection.windows import Grid
from timesformer.video.sampling import ClipShape
from timesformer.video.timeline import Timeline
from timesformer.video.visit import visit_frames

SAMPLING = DenseSampling(ClipShape(4, 8, 30))
SELECT = SAMPLING.views(SAMPLING.parts(1, "official"))
GRID = Grid(32 / 30, 0.5)


def crop(height, width):
    return [uniform_crop(height, width, short_side=64, size=64, index=1)]


def maker(give, **options):
    return ClipMaker(GRID, SELECT, crop, give, **options)


def test_each_window_comes_once_in_order_and_memory_is_that_of_overlapping_ones(numbered_video):
    path, found, most = numbered_video(600), [], 0

    def give(item):
        nonlocal most
        found.append(item)
        most = max(most, len(made.held))

    made = maker(give)
    visit_frames(path, made)
    restarted, *clips = found
    assert isinstance(restarted, Restarted)
    assert [clip.number for clip in clips] == list(range(len(restarted.windows.times)))
    for clip, places in zip(clips, restarted.windows.indices, strict=True):
        shown = [frame_number(image) for image in clip.frames[0].numpy().transpose(1, 2, 3, 0)]
        assert len(shown) == len(places) == 4
    assert most <= 4 * (GRID.span / GRID.stride + 1)
    assert not made.held


def test_windows_that_are_done_are_not_decoded(numbered_video):
    found = []
    path = numbered_video(300)
    visit_frames(path, maker(found.append))
    windows = found[0].windows
    found.clear()
    done = {windows.digest: {k for k in range(len(windows.times)) if k != 2}}
    visited = visit_frames(path, maker(found.append, done=done))
    assert [item.number for item in found[1:]] == [2]
    assert visited.decoded < 80
    found.clear()
    visit_frames(path, maker(found.append, done={"of other frames": range(99)}))
    assert len(found) == 1 + len(windows.times)


def test_frames_of_a_window_get_the_size_of_its_first():
    found = []
    made = maker(found.append)
    places = made.begin(Timeline(np.arange(90) * 20, 30.0, tick_seconds=1 / 600)).tolist()
    for place in places:
        side = 64 if place < 30 else 80
        made.take(place, np.full((side, side, 3), place, np.uint8))
    assert {tuple(clip.frames.shape) for clip in found[1:]} == {(1, 3, 4, 64, 64)}
    rows = found[0].windows.indices
    for clip in found[1:]:
        assert clip.frames[0, 0, :, 0, 0].tolist() == rows[clip.number].tolist()


def test_channels_are_reversed_on_demand():
    clips = {}
    for reverse in (False, True):
        found = []
        made = maker(found.append, reverse_channels=reverse)
        for place in made.begin(Timeline(np.arange(40) * 20, 30.0, tick_seconds=1 / 600)).tolist():
            made.take(place, np.full((64, 64, 3), (10, 20, 30), np.uint8))
        clips[reverse] = found[1].frames[0, :, 0, 0, 0].tolist()
    assert (clips[False], clips[True]) == ([10, 20, 30], [30, 20, 10])


def test_reading_runs_ahead_and_ends_with_its_reader(numbered_video):
    path = numbered_video(900)
    items = read_ahead(partial(visit_frames, path), maker)
    next(items)
    assert isinstance(next(items), Clip)
    before = threading.active_count()
    items.close()
    assert threading.active_count() == before - 1


def test_an_error_of_the_video_reaches_the_reader(tmp_path):
    def fail(visitor):
        raise ValueError("the video is broken")

    with pytest.raises(ValueError, match="the video is broken"):
        list(read_ahead(fail, maker))
