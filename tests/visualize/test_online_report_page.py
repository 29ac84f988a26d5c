"""The page of online scores shows the numbers of its dictionary, and every action where it lies."""

import re

import pytest

from tests.detection.online_evaluation.made import made_stream_report
from timesformer.io.json_text import finite
from timesformer.visualize.online_report_page import render_online_report


@pytest.fixture(scope="module")
def report():
    return finite(made_stream_report(noise=4))


@pytest.fixture(scope="module")
def page(report):
    return render_online_report(report)


def test_the_numbers_are_there(report, page):
    found = report["stream_time"]["detection"]
    assert f'<p class="big">{found["mean_seconds"]:.1f}<small> s</small></p>' in page
    assert f"{100 * found['detected']:.1f} % of {report['actions']} actions detected" in page
    assert "at no more than 100 false alarms an hour" in page
    for view in ("stream_time", "as_seen"):
        assert f'<td class="n">{100 * report[view]["per_frame_mAP"]:.1f} %</td>' in page
    for row in report["per_class"]:
        assert f'data-v="{row["detected"]}">{100 * row["detected"]:.1f}</td>' in page
    assert "they have no stream: 1 video (&lt;other&gt;) of the truth" in page


def test_names_are_escaped(page):
    assert "<b>100 m</b>" not in page
    assert "run &lt;b&gt;100 m&lt;/b&gt;" in page


def test_every_action_lies_where_it_is_and_is_filled_if_detected(report, page):
    drawn = re.findall(
        r'<rect x="([\d.]+)%" y="1" width="([\d.]+)%" height="72" class="(\w+)"', page
    )
    actions = [
        action
        for video in report["slowest"]
        for row in video["classes"]
        for action in row["actions"]
    ]
    assert len(drawn) == len(actions) == report["actions"]
    for (left, width, name), action in zip(drawn, actions, strict=True):
        assert float(left) == pytest.approx(action["start"] / 0.6, abs=0.01)
        assert float(width) == pytest.approx((action["end"] - action["start"]) / 0.6, abs=0.01)
        assert name == ("missed" if action["seconds"] is None else "seen")
    assert {name for *_, name in drawn} == {"missed", "seen"}


def test_a_curve_holds_each_score_until_the_next(report, page):
    paths = re.findall(r'<path d="(M[^"]+)"/></svg>\n<line class="threshold"', page)
    rows = [row["scores"] for video in report["slowest"] for row in video["classes"]]
    assert len(paths) == len(rows)
    for path, scores in zip(paths, rows, strict=True):
        steps = re.findall(r"H([\d.]+)V([\d.]+)", path)
        assert len(steps) == len(scores) - 1
        for (x, y), (second, score) in zip(steps, scores[1:], strict=True):
            assert float(x) == pytest.approx(second / 0.6, abs=0.01)
            assert float(y) == pytest.approx(100 - 100 * score, abs=0.02)


def test_without_latencies_there_is_one_column():
    page = render_online_report(finite(made_stream_report(speed=None)))
    assert '<th scope="col" class="n">value</th>' in page
    assert '<th scope="col" class="n">as seen</th>' not in page


def test_where_nothing_is_detected_numbers_are_dashes(report):
    nothing = {"mean_seconds": None, "median_seconds": None, "detected": 0}
    view = report["stream_time"]
    empty = view | {"detection": view["detection"] | nothing}
    page = render_online_report({**report, "stream_time": empty, "slowest": [], "warnings": []})
    assert '<p class="big">–<small> s</small></p>' in page
