"""Names of models cannot steer the page; figures show what the numbers say."""

import pytest

from tests.engine.shootout.made import Runs, made_candidate, made_shootout
from timesformer.engine.shootout.report import shootout_report
from timesformer.visualize.schema import SchemaError
from timesformer.visualize.shootout_figures import (
    cost_rows,
    draw_cost,
    draw_models,
    model_rows,
    shown_names,
)
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


def test_checkpoints_are_shown_without_the_folders_that_they_share():
    names = ["c3d", "timm/resnet18+lstm", "/runs/a/best.pyth", "/runs/b/best.pyth"]
    assert list(shown_names(names).values()) == [*names[:2], "a/best.pyth", "b/best.pyth"]
    assert shown_names(["/long/way/to/vit.safetensors"]).popitem()[1] == "vit.safetensors"
    assert shown_names(["vit.pth", "c3d"]) == {"vit.pth": "vit.pth", "c3d": "c3d"}


def test_names_of_models_that_are_alike_do_not_cover_each_other(report):
    """Two points at the same place, and one below."""
    first = report["models"][0]
    report["models"] = [first | {"name": name} for name in ("c3d", "r3d_18", "timm/resnet18+mean")]
    figure = draw_cost(report)
    figure.canvas.draw()
    (axes,) = figure.axes
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 3
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
