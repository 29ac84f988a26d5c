"""Predictions as text for people and programs."""

import csv
import io
import json

import pytest
import torch

from timesformer.inference import report
from timesformer.inference.predictor import NOTHING, Prediction
from timesformer.video import TimeSpan
from timesformer.video.remarks import Remark

SCORES = torch.tensor([1.0, 3.0, 2.0])
NAMES = ("zero", "one, or so", "two")
SPAN = TimeSpan(0.0, 8.5, 43.3)
REMARK = Remark("HDR", "PQ", "a/x.mp4")
READ = Prediction("a/x.mp4", SCORES, SCORES.softmax(0), NAMES, "", SPAN, (REMARK,))
OTHER = Prediction("b/x.mp4", -SCORES, (-SCORES).softmax(0))
BROKEN = Prediction("c.mp4", NOTHING, NOTHING, ("zero", "one", "two"), "c.mp4: broken")


def text_of(form, predictions, top):
    """All that a format prints."""
    return "\n".join(form(predictions, top, [each.video for each in predictions]))


def test_the_table_ranks_classes_below_the_name_of_the_video():
    assert text_of(report.as_table, [READ, BROKEN, OTHER], 2).splitlines() == [
        "video    rank   class       probability  seconds",
        "-------  -----  ----------  -----------  -----------------",
        "a/x.mp4  1      one, or so      66.52 %  0.0–8.5 of 43.3 s",
        "         2      two             24.47 %",
        "c.mp4    error  c.mp4: broken",
        "b/x.mp4  1      class 0         66.52 %",
        "         2      class 2         24.47 %",
    ]
    assert text_of(report.as_table, [BROKEN], 2).splitlines()[2:] == ["c.mp4  error  c.mp4: broken"]


@pytest.mark.parametrize("form", [report.as_table, report.as_csv])
def test_rows_of_a_video_come_with_its_prediction_and_the_head_with_the_first(form):
    asked = []
    stream = (asked.append(each.video) or each for each in (BROKEN, READ))
    rows = form(stream, 2, [BROKEN.video, READ.video])
    assert not asked
    first = next(rows)
    assert asked == ["c.mp4"]
    assert "video" in first
    assert "c.mp4: broken" in first
    second = next(rows)
    assert [str(i) for i in (1, 2) if f"{i}" in second] == ["1", "2"]
    assert "one, or so" in second
    assert "video" not in second
    assert "\n".join([first, second]) == text_of(form, [BROKEN, READ], 2)


def test_names_and_errors_do_not_steer_the_terminal():
    bad = Prediction("\x1b[2J\n.mp4", NOTHING, NOTHING, error="\x1b[2J: broken")
    named = READ._replace(class_names=("a", "\x1b[31m", "c"))
    table = text_of(report.as_table, [bad, named], 1)
    assert "\x1b" not in table
    assert len(table.splitlines()) == 4


def test_programs_get_the_seconds_as_numbers():
    first, second = json.loads(
        text_of(report.as_json, [READ, BROKEN], 1), parse_constant=pytest.fail
    )
    assert [first[name] for name in TimeSpan._fields] == [0.0, 8.5, 43.3]
    assert first["remarks"] == ["HDR: PQ"]
    assert [second[name] for name in TimeSpan._fields] == [None] * 3
    first, second = csv.DictReader(io.StringIO(text_of(report.as_csv, [READ, BROKEN], 1)))
    assert [float(first[name]) for name in TimeSpan._fields] == [0.0, 8.5, 43.3]
    assert [second[name] for name in TimeSpan._fields] == ["", "", ""]


def test_equal_scores_are_in_the_order_of_the_classes():
    scores = torch.tensor([0.5, 2.0, 0.5, 2.0, 0.5] * 40)
    ranked = Prediction("a.mp4", scores, scores.softmax(0)).top(100)
    assert [best.label for best in ranked[:82]] == [*sorted((*range(1, 200, 5), *range(3, 200, 5))),
                                                    0, 2]  # fmt: skip


def test_json_and_csv_say_the_same():
    found = json.loads(text_of(report.as_json, [READ, BROKEN], 2))
    assert [each["video"] for each in found] == ["a/x.mp4", "c.mp4"]
    assert (found[1]["error"], found[1]["classes"]) == ("c.mp4: broken", [])
    best = found[0]["classes"][0]
    assert (best["label"], best["name"], best["score"]) == (1, "one, or so", 3.0)
    rows = list(csv.DictReader(io.StringIO(text_of(report.as_csv, [READ, BROKEN], 2))))
    assert [row["label"] for row in rows] == ["1", "2", ""]
    assert rows[0]["class"] == "one, or so"
    assert float(rows[0]["probability"]) == round(best["probability"], 6)
    assert rows[2]["error"] == "c.mp4: broken"


def test_files_get_names_of_their_own():
    assert report.file_names(["d/a.mp4", "d/b c.mp4"]) == ["a", "b_c"]
    assert report.file_names(["d/a.mp4", "e/a.mp4"]) == ["d_a", "e_a"]
    assert report.file_names(["d/a.mp4", "d/a.avi"]) == ["a_0", "a_1"]
