"""The curves go through the numbers."""

import pytest

from timesformer.visualize.detection_figures import draw_average_recall, draw_map_by_tiou


@pytest.mark.parametrize("draw", [draw_map_by_tiou, draw_average_recall])
def test_the_points_are_the_numbers_in_percent(draw):
    values = {"1": 0.25, "10": 0.5} if draw is draw_average_recall else {"0.3": 0.5, "0.7": 0.25}
    (axes,) = draw(values).axes
    points = axes.lines[0].get_xydata().tolist()
    assert points == [[float(name), 100 * value] for name, value in values.items()]
    assert {text.get_text() for text in axes.texts} == {"25.0", "50.0"}


def test_many_points_have_no_text():
    values = {str(k / 100): 0.5 for k in range(1, 41)}
    assert not draw_map_by_tiou(values).axes[0].texts
