import numpy as np
import pytest

from tests.visualize.made_report import made_report
from timesformer.visualize import report_figures as figures

REPORT = made_report()


def lengths(axes):
    return [bar.get_width() for bar in axes.patches]


def test_the_headline_has_a_bar_a_metric():
    axes = figures.draw_accuracy(REPORT["accuracy"]).axes[0]
    names = ("top1", "top5", "mean_class", "macro_f1")
    assert lengths(axes) == [REPORT["accuracy"][name]["value"] for name in names]
    levels = [line.get_xdata()[0] for line in axes.lines]
    assert levels == [REPORT["accuracy"][name]["value"] for name in ("chance", "majority")]


def test_classes_are_drawn_from_the_lowest():
    axes = figures.draw_per_class(REPORT["per_class"]).axes[0]
    assert lengths(axes) == sorted(row["accuracy"] for row in REPORT["per_class"])
    ends = [
        path.vertices[:, 0].tolist() for lines in axes.collections for path in lines.get_paths()
    ]
    assert sorted(ends) == sorted(row["interval"] for row in REPORT["per_class"])


def test_many_classes_are_a_curve_and_those_without_videos_are_left_out():
    rows = made_report(60, 2000)["per_class"]
    rows[5] |= {"accuracy": None, "interval": None}
    rows[6]["interval"] = None
    (curve,) = figures.draw_per_class(rows).axes[0].lines
    expected = sorted(row["accuracy"] for row in rows if row["accuracy"] is not None)
    assert list(curve.get_ydata()) == expected
    assert len(expected) == 59


@pytest.mark.parametrize(("classes", "numbers"), [(8, True), (21, False), (60, False)])
def test_a_matrix_is_in_the_clustered_order(classes, numbers):
    report = made_report(classes, 500)
    order, counts = report["confusion_order"], np.array(report["confusion"])
    names = report["classes"]["names"]
    axes = figures.draw_confusion(report["confusion"], order, names).axes[0]
    shown = np.asarray(axes.images[0].get_array())
    assert ((shown[..., 3] > 0) == (counts[np.ix_(order, order)] > 0)).all()
    assert bool(axes.texts) == numbers
    assert len(axes.get_yticklabels()) == (classes if classes <= figures.MOST_NAMED else 0)


def test_frequency_has_a_point_for_each_class_that_is_trained_on():
    rows = made_report()["per_class"]
    rows[0]["train_videos"] = None
    axes = figures.draw_frequency(rows, {"spearman": 0.5, "p": 0.1}).axes[0]
    (points,) = axes.lines
    found = {(row["train_videos"], row["accuracy"]) for row in rows if row["train_videos"]}
    assert set(zip(points.get_xdata(), points.get_ydata(), strict=True)) == found
    assert axes.texts[0].get_text() == "Spearman's ρ 0.50"


def test_views_are_drawn_against_clips_and_milliseconds_where_those_are_known():
    views = made_report()["views"]
    clips, milliseconds = figures.draw_views(views).axes
    values = [point["value"] for point in views["points"]]
    assert list(clips.lines[0].get_ydata()) == values
    times = [point["milliseconds"] for point in views["points"]]
    assert list(milliseconds.lines[0].get_xdata()) == times
    views["points"][0]["milliseconds"] = None
    assert len(figures.draw_views(views).axes) == 1


def test_several_numbers_of_crops_are_several_curves():
    views = made_report()["views"]
    views["points"] += [
        point | {"crops": 1, "clips": point["temporal"]} for point in views["points"]
    ]
    axes = figures.draw_views(views).axes[0]
    assert [text.get_text() for text in axes.texts] == ["1 crop", "3 crops"]


def test_a_class_of_several_labels_has_its_average_precision():
    assert figures.class_score({"accuracy": None, "average_precision": 3.0}) == 3.0
    assert figures.class_score({"accuracy": 2.0}) == 2.0
    axes = figures.draw_per_class(
        [{"label": 0, "name": "x" * 99, "average_precision": 3.0, "interval": [1.0, 4.0]}]
    ).axes[0]
    assert axes.get_xlabel() == "average precision, %"
    assert axes.get_yticklabels()[0].get_text() == "x" * 25 + "…"
