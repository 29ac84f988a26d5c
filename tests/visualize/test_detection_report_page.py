"""The page of detections shows the numbers of its dictionary, and every bar where its segment lies."""

import re

import pytest

from tests.detection.made import made_detection_report
from timesformer.visualize.detection_report_page import render_detection_report


@pytest.fixture(scope="module")
def report():
    return made_detection_report()


@pytest.fixture(scope="module")
def page(report):
    return render_detection_report(report)


def test_the_numbers_are_there(report, page):
    assert f'<p class="big">{100 * report["average_mAP"]:.1f}<small> %</small></p>' in page
    for name, value in report["mAP"].items():
        row = f'mAP at tIoU {name}</th><td class="n">{100 * value:.1f}</td>'
        assert row in page
    for row in report["per_class"]:
        assert f'data-v="{row["average_AP"]}">{100 * row["average_AP"]:.1f}</td>' in page
    assert "1 detection in 1 video (&lt;other&gt;) that the truth does not have" in page


def test_names_are_escaped(page):
    assert "<b>100 m</b>" not in page
    assert "run &lt;b&gt;100 m&lt;/b&gt;" in page


def test_every_bar_lies_where_its_segment_is(report, page):
    parts = re.findall(
        r'<svg x="([\d.]+)%" y="\d+" width="([\d.]+)%" .*?class="(\w+) (\w+)">', page
    )
    drawn = sorted((side, right, float(x), float(width)) for x, width, right, side in parts)
    expected = [
        (side, "right" if each["right"] else "wrong", each["start"] / 0.7, each["end"] / 0.7)
        for video in report["worst"]
        for side, key in (("truth", "truth"), ("found", "detections"))
        for each in video[key]
    ]
    assert len(drawn) == len(expected)
    spans = sorted((side, right, x, x + width) for side, right, x, width in drawn)
    for one, other in zip(spans, sorted(expected), strict=True):
        assert one[:2] == other[:2]
        assert one[2:] == pytest.approx((max(other[2], 0), min(other[3], 100)), abs=0.01)


def test_many_thresholds_are_a_curve():
    tious = tuple(round(0.5 + 0.05 * k, 2) for k in range(10))
    page = render_detection_report(made_detection_report(tious=tious))
    assert "AP@0.95" not in page
    assert "mAP at tIoU 0.75" in page
    assert "mAP at tIoU 0.8" not in page


def test_where_nothing_is_missed_no_video_is_shown(report):
    page = render_detection_report({**report, "worst": [], "warnings": []})
    assert "Every annotation is found at tIoU 0.5" in page
    assert 'id="worst"' not in page
