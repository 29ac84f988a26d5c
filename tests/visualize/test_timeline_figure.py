"""The picture of a long video: its curves, lanes and gaps are the numbers that it is given."""

import numpy as np
import pytest

from timesformer.visualize.timeline_figure import draw_timeline


def test_curves_and_lanes_are_those_of_the_classes_that_occur():
    times = np.arange(30) + 0.5
    probabilities = np.random.default_rng(0).random((30, 12)) / 2
    probabilities[5:9, 11] = 0.9
    probabilities[3] = np.nan
    names = [f"class {k}" for k in range(12)]
    figure = draw_timeline(
        times,
        probabilities,
        names,
        [("class 11", 5.0, 9.0)],
        duration=30,
        gaps=[(3.0, 4.0)],
        onset=0.5,
    )
    curves, lanes = figure.axes
    shown = [label.get_text() for label in lanes.get_yticklabels()]
    assert len(shown) == 8
    assert "class 11" in shown
    lines = {tuple(line.get_ydata()[4:]) for line in curves.lines[:-1]}
    assert lines == {tuple(probabilities[4:, int(name.split()[1])]) for name in shown}
    bars = [c for c in lanes.collections if len(c.get_paths())]
    box = bars[0].get_paths()[0].get_extents()
    assert (box.x0, box.x1) == (5, 9)
    assert curves.get_xlim() == (0, 30)


@pytest.mark.parametrize("name", ["a$b$c", "x" * 60])
def test_names_are_drawn_as_they_are(name):
    figure = draw_timeline(np.array([0.5]), np.array([[0.2]]), [name], [], duration=1)
    figure.canvas.draw()
