"""The seconds that clips show, against hand-made timelines."""

import numpy as np
import pytest

from timesformer.video.looking import Noted, Span, span_of
from timesformer.video.sampling import ClipShape, Timeline, clip_indices, cut, view_place


def timeline(count, fps=30.0, first=500):
    ticks = first + np.arange(count) * round(90000 / fps)
    return Timeline(ticks, fps=fps, header_frames=count, duration=count * round(90000 / fps),
                    tick_seconds=1 / 90000)  # fmt: skip


def test_seconds_are_from_the_first_frame_and_the_last_one_lasts_as_long_as_others():
    assert span_of(timeline(300), np.array([[0, 255]])) == Span(0.0, 8.5, 10.0)
    assert span_of(timeline(50, fps=25.0), np.array([[30, 4], [12, 8]])) == Span(0.16, 1.2, 2.0)
    assert span_of(timeline(1), np.zeros((1, 8), int)) == Span(0.0, 0.0, 0.033)


def test_a_folder_has_no_ticks_but_a_rate():
    folder = Timeline(np.arange(60), fps=30.0)
    assert span_of(folder, np.array([[15, 45]])) == Span(0.5, 1.5, 2.0)


@pytest.mark.parametrize(("num_views", "expected"), [(1, (17.4, 25.9)), (3, (0.0, 43.3))])
def test_views_of_the_paper_are_in_the_middle_or_reach_from_end_to_end(num_views, expected):
    places = [view_place(view, num_views, "paper") for view in range(num_views)]
    noted = Noted(lambda t: np.stack([clip_indices(t, ClipShape(8, 32, 30), p) for p in places]))
    indices = noted(timeline(1300))
    assert indices.shape == (num_views, 8)
    assert noted.span[:2] == pytest.approx(expected, abs=0.05)
    assert str(noted.span) == f"{expected[0]:.1f}–{expected[1]:.1f} of 43.3 s"


def test_a_part_of_a_file_has_seconds_of_the_whole_file():
    whole = timeline(300)

    def select(line):
        part, first = cut(line, 4.0, 6.0)
        return np.arange(len(part.pts))[None] + first

    noted = Noted(select)
    noted(whole)
    assert noted.span == Span(4.0, pytest.approx(6.0, abs=0.04), 10.0)
