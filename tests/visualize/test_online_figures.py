"""The curves go through the numbers."""

import numpy as np
import pytest

from tests.detection.online_evaluation.made import made_stream_report
from timesformer.io.json_text import finite
from timesformer.visualize.online_figures import (
    draw_detected_within,
    draw_point_map,
    draw_stages,
    draw_time_to_detection,
)


@pytest.fixture(scope="module")
def report():
    return finite(made_stream_report())


def drawn(axes):
    return [line.get_xydata() for line in axes.lines]


def test_each_view_is_a_curve(report):
    for draw, key in ((draw_point_map, "point_mAP"), (draw_detected_within, "detected_within")):
        (axes,) = draw(report).axes
        for points, view in zip(drawn(axes), ("stream_time", "as_seen"), strict=True):
            expected = [[float(k), 100 * v] for k, v in report[view][key].items()]
            np.testing.assert_allclose(points, expected)
        assert [text.get_text() for text in axes.figure.legends[0].texts] == [
            "in stream time",
            "as seen",
        ]


def test_stages_lie_in_the_middle_of_their_tenth(report):
    (axes,) = draw_stages(report).axes
    plain, calibrated, seen = drawn(axes)
    stages = report["stream_time"]["stages"]
    assert plain[:, 0].tolist() == pytest.approx([5 + 10 * k for k in range(10)])
    assert plain[:, 1].tolist() == pytest.approx([100 * stage["mAP"] for stage in stages])
    assert calibrated[:, 1].tolist() == pytest.approx([100 * stage["mcAP"] for stage in stages])
    stages = report["as_seen"]["stages"]
    assert seen[:, 1].tolist() == pytest.approx([100 * stage["mAP"] for stage in stages])


def test_false_alarms_buy_detections(report):
    upper, lower = draw_time_to_detection(report).axes
    curve = report["stream_time"]["curve"]
    detected, seconds = drawn(upper)[0], drawn(lower)[0]
    assert detected.tolist() == [[p["allowed_per_hour"], 100 * p["detected"]] for p in curve]
    expected = [float("nan") if p["mean_seconds"] is None else p["mean_seconds"] for p in curve]
    assert seconds[:, 1].tolist() == pytest.approx(expected, nan_ok=True)
    assert drawn(upper)[-1][:, 0].tolist() == [100, 100]  # the rate of the report


def test_one_view_has_no_legend():
    report = finite(made_stream_report(speed=None))
    for draw in (draw_point_map, draw_detected_within, draw_time_to_detection):
        assert draw(report).legends == []
    assert len(draw_stages(report).axes[0].lines) == 2
