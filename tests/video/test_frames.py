"""What comes back with the chosen frames, against hand-made timelines and files."""

import numpy as np
import pytest

from timesformer.video import READERS, TimeSpan
from timesformer.video.frames import choose_frames
from timesformer.video.images import choose_images, even_timeline
from timesformer.video.sampling import ClipShape, clip_indices, cut, view_place
from timesformer.video.timeline import Timeline


def timeline(count, fps=30.0, first=500):
    ticks = first + np.arange(count) * round(90000 / fps)
    return Timeline(ticks, fps=fps, header_frames=count, duration=count * round(90000 / fps),
                    tick_seconds=1 / 90000)  # fmt: skip


def frames(timeline, select):
    chosen = choose_frames(timeline, select)
    return chosen.frames(np.zeros((len(chosen.unique), 2, 2, 3), np.uint8))


def span(timeline, indices):
    return frames(timeline, lambda _: np.array(indices)).span


def test_every_chosen_frame_is_needed_once_and_the_index_leads_to_it():
    chosen = choose_frames(timeline(20), lambda _: [[7, 3, 7], [3, 9, 0]])
    assert chosen.unique.tolist() == [0, 3, 7, 9]
    assert chosen.unique[chosen.index].tolist() == chosen.indices.tolist() == [[7, 3, 7], [3, 9, 0]]


@pytest.mark.parametrize(
    "reader", ["pyav", pytest.param("torchcodec", marks=pytest.mark.torchcodec)]
)
def test_readers_call_the_selector_once_and_return_what_it_chose(reader, numbered_video):
    calls = []

    def select(timeline):
        calls.append(np.array([[5, 2], [len(timeline.pts) - 1, 5]]))
        return calls[-1]

    found = READERS[reader](numbered_video(12), select)
    assert len(calls) == 1
    assert found.indices.tolist() == calls[0].tolist()
    assert len(found.timeline.pts) == 12
    assert found.index.shape == (2, 2)


def test_images_return_what_was_chosen_of_them():
    images = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    found = choose_images(images, lambda _: np.array([[4, 1, 4]]), fps=3.0)
    assert found.images[found.index][0, :, 0, 0, 0].tolist() == [4, 1, 4]
    assert found.span == TimeSpan(0.333, 1.333, 2.0)


def test_seconds_are_from_the_first_frame_and_the_last_one_lasts_as_long_as_others():
    assert span(timeline(300), [[0, 255]]) == TimeSpan(0.0, 8.5, 10.0)
    assert span(timeline(50, fps=25.0), [[30, 4], [12, 8]]) == TimeSpan(0.16, 1.2, 2.0)
    assert span(timeline(1), np.zeros((1, 8), int)) == TimeSpan(0.0, 0.0, 0.033)


def test_a_folder_has_no_ticks_but_a_rate():
    assert span(even_timeline(60, 30.0), [[15, 45]]) == TimeSpan(0.5, 1.5, 2.0)


@pytest.mark.parametrize(("num_views", "expected"), [(1, (17.4, 25.9)), (3, (0.0, 43.3))])
def test_views_of_the_paper_are_in_the_middle_or_reach_from_end_to_end(num_views, expected):
    places = [view_place(view, num_views, "paper") for view in range(num_views)]
    found = frames(
        timeline(1300),
        lambda t: np.stack([clip_indices(t, ClipShape(8, 32, 30), place) for place in places]),
    )
    assert found.indices.shape == (num_views, 8)
    assert found.span[:2] == pytest.approx(expected, abs=0.05)
    assert str(found.span) == f"{expected[0]:.1f}–{expected[1]:.1f} of 43.3 s"


def test_a_part_of_a_file_has_seconds_of_the_whole_file():
    def select(line):
        part, first = cut(line, 4.0, 6.0)
        return np.arange(len(part.pts))[None] + first

    expected = TimeSpan(4.0, pytest.approx(6.0, abs=0.04), 10.0)
    assert frames(timeline(300), select).span == expected
