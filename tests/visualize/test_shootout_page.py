"""Names of models cannot steer the page; figures show what the numbers say."""

import pytest

from tests.engine.shootout.made import Runs, made_candidate, made_shootout
from timesformer.engine.shootout.report import shootout_report
from timesformer.visualize.schema import SchemaError
from timesformer.visualize.shootout_figures import cost_rows, draw_cost, draw_models, model_rows
from timesformer.visualize.shootout_page import render_shootout


@pytest.fixture
def report(tmp_path):
    made = made_shootout(tmp_path, Runs([("b", "/videos/4.mp4")]))
    return shootout_report(made, made.run([made_candidate(name) for name in "ab"]))


def test_names_and_reasons_are_text(report):
    report["models"][0]["name"] = "<b>\x1bx"
    report["models"][0]["multiply_adds"] = None  # not known: a dash
    report["models"][1] |= {"status": "failed", "reason": "<script>", "accuracy": None}
    text = render_shootout(report)
    assert "&lt;b&gt;\\x1bx" in text
    assert "&lt;script&gt;" in text
    assert "<script>\n" not in text.split("<main>")[1].split("</main>")[0]


def test_the_page_refuses_other_numbers(report):
    with pytest.raises(SchemaError):
        render_shootout(report | {"kind": "comparison"})


def test_the_figures_have_the_numbers(report):
    (axes,) = draw_models(report).axes
    assert [bar.get_width() for bar in axes.patches] == [100, pytest.approx(100 * 11 / 12)]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b"]
    (axes,) = draw_cost(report).axes
    assert [line.get_xdata()[0] for line in axes.lines] == [500, 500]
    assert list(model_rows(report))[1][:2] == ("a", 100)
    assert list(cost_rows(report))[2][:2] == ("b", 500)
