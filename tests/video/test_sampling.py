"""Index arithmetic against the documented published examples and a naive restatement."""

import numpy as np
import pytest
import torch

from timesformer.video.sampling import (
    ClipShape,
    Timeline,
    clip_indices,
    cut,
    part_place,
    random_place,
    segment_indices,
    segment_view_indices,
    view_part,
    view_place,
)


def constant_rate(num_frames, *, fps=30.0, ticks=512):
    return Timeline(np.arange(num_frames) * ticks, fps, num_frames, num_frames * ticks)


def counted(num_frames, fps=30.0):
    return Timeline(np.arange(num_frames), fps)


@pytest.mark.parametrize(
    ("timeline", "shape", "expected"),
    [  # official_behaviour 3.3, run on the published code
        (constant_rate(300), (8, 32), [0, 36, 72, 109, 145, 182, 218, 255]),
        (constant_rate(300), (16, 16), [*range(0, 119, 17), *range(119, 256, 17)]),
        (constant_rate(250, fps=25.0), (8, 32), [0, 30, 60, 91, 121, 151, 182, 212]),
        (constant_rate(40), (8, 32), [0, 36, 39, 39, 39, 39, 39, 39]),
        (counted(300), (8, 32), [0, 36, 72, 109, 145, 182, 218, 255]),
        (counted(40), (8, 32), [0, 36, 39, 39, 39, 39, 39, 39]),
    ],
)
def test_the_first_clip_has_the_published_indices(timeline, shape, expected):
    indices = clip_indices(timeline, ClipShape(*shape, 30), view_place(0, 1, "official"))
    assert indices.tolist() == expected


def test_a_clip_longer_than_the_video_repeats_the_last_frame():
    indices = clip_indices(constant_rate(300), ClipShape(96, 4, 30), view_place(0, 1, "official"))
    assert indices[:5].tolist() == [0, 4, 8, 12, 16]
    assert (indices == 299).sum() == 21


def naive(timeline, shape, start):
    """Official_behaviour 3.3 word by word: keep frames by time, then spread over what was kept."""
    num_frames, rate, target = shape
    clip_size = rate * num_frames / target * timeline.fps
    ticks = timeline.duration / timeline.header_frames
    start_pts, end_pts = int(start * ticks), int((start + clip_size - 1) * ticks)
    kept = []
    for pts in timeline.pts:
        if pts < start_pts:
            continue
        kept.append(pts)
        if pts > end_pts:
            break
    kept.sort()
    spread = torch.linspace(0, clip_size - 1, num_frames).clamp(0, len(kept) - 1).long()
    return [kept[i] for i in spread.tolist()]


@pytest.mark.parametrize("seed", range(30))
def test_clips_by_time_equal_the_naive_restatement(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 400))
    fps = float(rng.choice([12.0, 24.0, 25.0, 30000 / 1001, 30.0, 60.0]))
    ticks = int(rng.integers(1, 900))
    pts = np.arange(count) * ticks + rng.integers(0, ticks // 2 + 1, size=count)  # almost even
    header = max(count + int(rng.integers(-3, 4)), 1)
    timeline = Timeline(pts, fps, header, int(pts[-1] + ticks), tick_seconds=1 / fps / ticks)
    shape = ClipShape(int(rng.integers(1, 33)), int(rng.integers(1, 33)), 30)
    free = max(header - shape.span(fps), 0)
    fraction = rng.random()
    got = clip_indices(timeline, shape, random_place(fraction))
    assert timeline.pts[got].tolist() == naive(timeline, shape, fraction * free)


def test_official_views_never_reach_the_end():
    shape = ClipShape(8, 4, 30)
    starts = [
        clip_indices(constant_rate(320), shape, view_place(k, 10, "official"))[0] for k in range(10)
    ]
    assert starts == [int(np.ceil(288 * k / 10 - 1e-9)) for k in range(10)]


def test_paper_views_sit_in_the_middle_or_reach_from_end_to_end():
    shape = ClipShape(8, 4, 30)
    for timeline in (constant_rate(320), counted(320)):
        middle = clip_indices(timeline, shape, view_place(0, 1, "paper"))
        assert middle[0] + middle[-1] == 319
        first, *_, last = (
            clip_indices(timeline, shape, view_place(k, 5, "paper")) for k in range(5)
        )
        assert (first[0], last[-1]) == (0, 319)


@pytest.mark.parametrize("placement", ["official", "paper"])
def test_different_views_have_different_frames(placement):
    shape = ClipShape(8, 4, 30)
    views = [clip_indices(counted(300), shape, view_place(k, 10, placement)) for k in range(10)]
    assert len({tuple(view) for view in views}) == 10


@pytest.mark.parametrize("num_views", [1, 2, 3, 10])
def test_views_of_one_name_are_one_clip_and_those_of_two_are_two(num_views):
    """By the fractions of the free range, as the documentation of ``view_place`` has them."""
    official = {view_part(k, num_views, "official"): k / num_views for k in range(num_views)}
    last = max(num_views - 1, 1)
    paper = {view_part(k, num_views, "paper"): k / last for k in range(num_views)}
    if num_views == 1:
        paper = {view_part(0, 1, "paper"): 0.5}
    assert len(official) == len(paper) == num_views
    for names in (official, paper):
        for part, fraction in names.items():
            assert part_place(part)(1000) == pytest.approx(1000 * fraction)
    same = {official[part] for part in official.keys() & paper.keys()}
    assert same == set(official.values()) & set(paper.values())


def test_random_clips_stay_inside_and_cover_the_video():
    shape, timeline = ClipShape(8, 4, 30), constant_rate(100)
    clips = [clip_indices(timeline, shape, random_place(f)) for f in np.linspace(0, 0.9999, 500)]
    assert min(clip[0] for clip in clips) == 0
    assert max(clip[-1] for clip in clips) == 99
    assert all(np.all(np.diff(clip) >= 0) for clip in clips)


def test_a_header_that_promises_more_than_there_is_falls_back_to_counting():
    timeline = Timeline(np.arange(10), 30.0, header_frames=300, duration=300)
    indices = clip_indices(timeline, ClipShape(4, 4, 30), view_place(9, 10, "official"))
    assert indices.max() <= 9


def test_segments_have_the_published_indices():
    assert segment_indices(20, 8).tolist() == [1, 3, 6, 8, 11, 13, 15, 18]


@pytest.mark.parametrize("num_frames", [1, 3, 8, 20, 100])
def test_random_segments_reach_both_ends_of_their_segment(num_frames):
    low = segment_indices(num_frames, 8, offsets=np.zeros(8))
    high = segment_indices(num_frames, 8, offsets=np.full(8, 0.999999))
    seg = (num_frames - 1) / 8
    assert low.tolist() == [int(np.round(seg * i)) for i in range(8)]
    assert high.tolist() == [int(np.round(seg * (i + 1))) for i in range(8)]


def test_segment_views_are_published_for_one_and_differ_for_several():
    assert segment_view_indices(80, 8, 0, 1).tolist() == segment_indices(80, 8).tolist()
    views = {tuple(segment_view_indices(80, 8, view, 4)) for view in range(4)}
    assert len(views) == 4


NAN = float("nan")


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (1.0, 2.0, range(30, 60)),
        (NAN, 1.0, range(30)),
        (9.5, NAN, range(285, 300)),
        (0.0, 99.0, range(300)),
        (1.01, 1.05, [31]),
        (11.0, 12.0, []),
    ],
)
def test_a_part_holds_the_frames_from_its_start_to_before_its_end(start, end, expected):
    whole = constant_rate(300)._replace(pts=np.arange(300) * 512 + 777, tick_seconds=1 / 15360)
    part, first = cut(whole, start, end)
    assert [first + i for i in range(len(part.pts))] == list(expected)
    if len(expected) > 1:
        assert (part.pts[0], part.header_frames) == (0, len(expected))
        assert part.duration == 512 * len(expected)


def test_a_clip_of_a_part_is_the_clip_of_a_video_that_holds_only_the_part():
    whole = constant_rate(300)._replace(tick_seconds=1 / 15360)
    for timeline in (whole, whole._replace(header_frames=None, duration=None)):
        part, first = cut(timeline, 2.0, 7.0)
        alone = constant_rate(150)._replace(tick_seconds=1 / 15360)
        if timeline.duration is None:
            alone = alone._replace(header_frames=None, duration=None)
        for view in range(4):
            place = view_place(view, 4, "paper")
            indices = clip_indices(part, ClipShape(8, 8, 30), place)
            assert indices.tolist() == clip_indices(alone, ClipShape(8, 8, 30), place).tolist()
    assert first == 60


def naive_by_seconds(seconds, frame, shape, fraction):
    """The frame that is shown at each of T times over the seconds of the clip, one by one."""
    length = shape.rate * shape.num_frames / shape.target_fps
    start = fraction * max(seconds[-1] + frame - length, 0)
    step = (length - frame) / (shape.num_frames - 1)
    shown = []
    for t in range(shape.num_frames):
        shown.append(max(i for i, at in enumerate(seconds) if at <= start + t * step + 1e-9))
    return shown


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.77, 1.0])
@pytest.mark.parametrize("shape", [(8, 8), (8, 32), (2, 4)])
def test_clips_of_an_uneven_rate_cover_seconds(fraction, shape):
    ticks = np.concatenate([np.arange(60), np.arange(60) + 240])  # a gap of 6 s at 30 a second
    timeline = Timeline(ticks, 119 / (299 / 30), 120, 300, tick_seconds=1 / 30)
    assert not timeline.is_even
    assert (timeline.frame_seconds, timeline.duration_seconds) == pytest.approx((1 / 30, 10.0))
    shape = ClipShape(*shape, 30)
    indices = clip_indices(timeline, shape, random_place(fraction))
    assert indices.tolist() == naive_by_seconds(timeline.seconds, 1 / 30, shape, fraction)


def test_at_a_constant_rate_seconds_and_published_indices_agree():
    even = constant_rate(300)._replace(tick_seconds=1 / 15360)
    uneven = even._replace(even=False)
    for fraction in (0.0, 0.21, 0.5, 1.0):
        place = random_place(fraction)
        clips = [clip_indices(t, ClipShape(8, 16, 30), place) for t in (even, uneven)]
        assert np.abs(clips[0] - clips[1]).max() <= 1


def test_a_clip_longer_than_an_uneven_video_repeats_its_last_frame():
    timeline = Timeline(np.array([0, 1, 30, 31]), 4.0, tick_seconds=1 / 30)
    assert clip_indices(timeline, ClipShape(4, 16, 30), random_place(0.5)).tolist() == [0, 1, 3, 3]


def test_a_part_of_an_uneven_video_is_cut_by_seconds():
    ticks = np.concatenate([np.arange(60), np.arange(60) + 240])
    timeline = Timeline(ticks, 12.0, tick_seconds=1 / 30)
    part, first = cut(timeline, 8.0, 9.0)
    assert (first, len(part.pts), part.pts[0]) == (60, 30, 0)
    part, first = cut(timeline, 3.0, 8.5)
    assert (first, len(part.pts)) == (60, 15)
    assert part.pts[0] == 150  # the pause belongs to the part
