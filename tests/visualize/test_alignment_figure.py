"""The picture of an alignment has a line for each pair, and no more frames than fit."""

import numpy as np

from timesformer.visualize.alignment_figure import MOST_FRAMES, draw_alignment, shown_frames
from timesformer.visualize.figure_style import png_bytes


def test_every_pair_is_a_line_and_every_frame_a_picture():
    strips = [[np.full((4, 6, 3), 8 * i, np.uint8) for i in range(count)] for count in (3, 30)]
    seconds = [np.arange(3) / 2, np.arange(30) / 10]
    path = [(0, 0), (0, 9), (1, 9), (2, 29)]
    names = ["a $b$.mp4", "c.mp4"]
    cosines = np.array([0.5, 0.5, 0.5, 0.5])
    figure = draw_alignment(strips, names, seconds, path, cosines, title="Distance 1.0")
    upper, lines, lower = figure.axes[:3]
    assert (len(upper.images), len(lower.images)) == (3, MOST_FRAMES)
    ends = [line.get_xdata() for line in lines.lines]
    assert np.allclose(ends, [((i + 0.485) / 3, (j + 0.485) / 30) for i, j in path])
    assert [text.get_text() for text in upper.get_xticklabels()] == ["0.0 s", "0.5 s", "1.0 s"]
    assert png_bytes(figure).startswith(b"\x89PNG")


def test_the_first_and_the_last_frame_are_shown():
    assert shown_frames(5).tolist() == [0, 1, 2, 3, 4]
    shown = shown_frames(100)
    assert (len(shown), shown[0], shown[-1]) == (MOST_FRAMES, 0, 99)
