"""Times of frames: whatever a container says, every frame keeps its place and gets a later time."""

import numpy as np
import pytest

from timesformer.video.timeline import StreamHeader, from_decoder, from_pts, increasing, is_even

HEADER = StreamHeader(fps=30.0, nominal_fps=30.0, tick_seconds=1 / 30)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0, 1, 2, 3], [0, 1, 2, 3]),
        ([None, None, None], [0, 1, 2]),
        ([5, 6, None, 8], [5, 6, 7, 8]),
        ([0, 1, 2, None, None], [0, 1, 2, 3, 4]),
        ([None, None, 7, 8], [5, 6, 7, 8]),
        ([*range(40), 0, None, 2], range(43)),
        ([0, 0, 2, 2, 4], [0, 1, 2, 3, 4]),
        ([0, 2, 1, 3], [0, 2, 2.5, 3]),
        ([*range(40), *range(40)], range(80)),
        ([*range(90, 130), *range(3)], range(90, 133)),
        ([0, 1, 200, 201], [0, 1, 200, 201]),
    ],
)
def test_no_frame_is_lost_or_merged_by_its_time(times, expected):
    assert increasing(times, 1.0, reordered=False).tolist() == list(expected)


def test_times_of_decoding_that_jump_back_say_nothing():
    assert increasing([1, 4, 3, 5, 7, 6], 1.0, reordered=True).tolist() == [0, 1, 2, 3, 4, 5]
    assert increasing([0, 1, 3, 4], 1.0, reordered=True).tolist() == [0, 1, 3, 4]  # one was dropped


def test_random_times_always_increase():
    rng = np.random.default_rng(0)
    for _ in range(200):
        times = [None if rng.random() < 0.2 else int(t) for t in rng.integers(-50, 50, size=30)]
        assert np.all(np.diff(increasing(times, 1.0, reordered=False)) > 0), times


def test_a_stream_without_times_has_those_of_its_nominal_rate():
    timeline = from_decoder([None] * 60, StreamHeader(fps=25.0, nominal_fps=30.0), promised=60)
    assert timeline.fps == 30
    assert timeline.seconds[-1] == pytest.approx(59 / 30)
    assert timeline.is_even


def test_counts_and_duration_are_those_of_the_frames_that_are_shown():
    header = HEADER._replace(frames=172, duration=172)
    timeline = from_pts(np.arange(120), header, promised=120)
    assert (timeline.header_frames, timeline.duration) == (120, 120)
    honest = from_pts(np.arange(120), header._replace(frames=120, duration=121), promised=120)
    assert (honest.header_frames, honest.duration) == (120, 121)  # as published
    silent = from_pts(np.arange(120), HEADER, promised=120)
    assert (silent.header_frames, silent.duration) == (None, None)


def test_a_wrong_rate_of_a_header_is_corrected_and_an_uneven_one_is_told():
    half = from_pts(np.arange(0, 120, 2), HEADER, promised=60)
    assert (half.fps, half.is_even) == (15.0, True)
    gap = from_pts(np.array([0, 1, 2, 60, 61]), HEADER, promised=5)
    assert not gap.is_even
    assert gap.frame_seconds == pytest.approx(1 / 30)
    assert gap.duration_seconds == pytest.approx(62 / 30)


def test_an_offset_of_hours_is_no_part_of_the_video():
    timeline = from_pts(np.arange(60) + 108_000, HEADER, promised=60)
    assert timeline.pts[0] == 0
    assert from_pts(np.arange(60) + 2, HEADER, promised=60).pts[0] == 2  # as published


@pytest.mark.parametrize(("off", "even"), [(0.49, True), (0.51, False)])
def test_even_means_within_half_a_frame(off, even):
    seconds = np.arange(10) / 30
    seconds[5] += off / 30
    assert is_even(seconds, 30.0) == even
