"""Predictions as text for people and programs."""

import csv
import io
import json

import torch

from timesformer.inference import report
from timesformer.inference.predictor import NOTHING, Prediction

SCORES = torch.tensor([1.0, 3.0, 2.0])
READ = Prediction("a/x.mp4", SCORES, SCORES.softmax(0), ("zero", "one, or so", "two"))
OTHER = Prediction("b/x.mp4", -SCORES, (-SCORES).softmax(0))
BROKEN = Prediction("c.mp4", NOTHING, NOTHING, ("zero", "one", "two"), "c.mp4: broken")


def test_the_table_ranks_classes_below_the_name_of_the_video():
    assert report.as_table([READ, BROKEN, OTHER], 2).splitlines() == [
        "video    rank  class       probability",
        "-------  ----  ----------  -----------",
        "a/x.mp4  1     one, or so      66.52 %",
        "         2     two             24.47 %",
        "b/x.mp4  1     class 0         66.52 %",
        "         2     class 2         24.47 %",
    ]
    assert report.as_table([BROKEN], 2) == "no video could be read"


def test_json_and_csv_say_the_same():
    found = json.loads(report.as_json([READ, BROKEN], 2))
    assert [each["video"] for each in found] == ["a/x.mp4", "c.mp4"]
    assert found[1] == {"video": "c.mp4", "error": "c.mp4: broken", "classes": []}
    best = found[0]["classes"][0]
    assert (best["label"], best["name"], best["score"]) == (1, "one, or so", 3.0)
    rows = list(csv.DictReader(io.StringIO(report.as_csv([READ, BROKEN], 2))))
    assert [row["label"] for row in rows] == ["1", "2", ""]
    assert rows[0]["class"] == "one, or so"
    assert float(rows[0]["probability"]) == round(best["probability"], 6)
    assert rows[2]["error"] == "c.mp4: broken"


def test_files_get_names_of_their_own():
    assert report.file_names(["d/a.mp4", "d/b c.mp4"]) == ["a", "b_c"]
    assert report.file_names(["d/a.mp4", "e/a.mp4"]) == ["d_a", "e_a"]
    assert report.file_names(["d/a.mp4", "d/a.avi"]) == ["a_0", "a_1"]
