"""The numbers of a shootout, its table and its page."""

import csv
import json
from importlib.resources import files

import jsonschema
import pytest

from tests.engine.shootout.made import Runs, made_candidate, made_shootout
from timesformer.engine.shootout.output import shootout_lines, write_shootout
from timesformer.engine.shootout.report import shootout_report
from timesformer.evaluation.report.intervals import paired_difference, wilson
from timesformer.io.json_text import json_text

WRONG = [("a", f"/videos/{i}.mp4") for i in (0, 1, 2, 3, 4)] + [("b", "/videos/4.mp4")]


@pytest.fixture
def report(tmp_path):
    """a gets 7 of 12 right, b 11, c fails."""
    made = made_shootout(tmp_path, Runs(WRONG, fails=["c"]))
    return shootout_report(made, made.run([made_candidate(name) for name in "acb"]))


def test_the_numbers_are_those_of_the_predictions(report):
    assert [model["name"] for model in report["models"]] == ["b", "a", "c"]
    b, a, c = report["models"]
    assert report["best"] == "b"
    assert b["accuracy"]["top1"]["value"] == pytest.approx(100 * 11 / 12)
    expected = wilson(7, 12)
    assert a["accuracy"]["top1"]["interval"] == pytest.approx(
        [100 * expected.low, 100 * expected.high]
    )
    import numpy as np

    right = {m: np.array([(m, f"/videos/{i}.mp4") not in WRONG for i in range(12)]) for m in "ab"}
    pair = paired_difference(right["a"], right["b"], None)
    found = a["to_the_best"]
    assert found["difference"] == pytest.approx(100 * pair.value)
    assert found["interval"] == pytest.approx([100 * pair.interval.low, 100 * pair.interval.high])
    assert (found["p"], b["to_the_best"]) == (pytest.approx(pair.p), None)
    assert b["videos_per_second"] == pytest.approx(12 / 6)
    assert (b["training_seconds"], b["peak_gpu_gib"]) == (10.0, None)
    assert (c["status"], c["reason"], c["accuracy"]) == ("failed", "there are no weights", None)


def test_the_numbers_fit_the_schema(report):
    schema = json.loads(files("timesformer.engine.shootout").joinpath("schema.json").read_text())
    valid = jsonschema.Draft202012Validator(schema)
    valid.validate(value := json.loads(json_text(report)))
    assert not valid.is_valid(value | {"more": 1})
    jsonschema.Draft202012Validator.check_schema(schema)


def test_the_table_has_a_row_for_each_model_and_a_reason_for_each_failure(report):
    text = "\n".join(shootout_lines(report))
    assert text.startswith("12 videos of 2 classes, 3 folds, finetune, on ")
    rows = {line.split()[0]: line for line in text.splitlines()[2:6]}
    assert "91.67" in rows["b"]
    assert "the best" in rows["b"]
    assert "-33.33 (" in rows["a"]
    assert "8 x 224²" in rows["a"]
    assert "c failed: there are no weights" in text
    assert "chance: 50.0 %" in text


def test_a_model_whose_work_is_not_known_has_a_dash(report):
    report["models"][0]["multiply_adds"] = None
    lines = "\n".join(shootout_lines(report)).splitlines()
    row = next(line for line in lines if line.startswith("b "))
    assert row.split("8 x 224²")[0].split()[-1] == "-"


def test_the_files_have_the_same_numbers(report, tmp_path):
    page = write_shootout(tmp_path / "out", report)
    assert json.loads((tmp_path / "out/shootout.json").read_text()) == json.loads(json_text(report))
    with (tmp_path / "out/shootout.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["b", "a", "c"]
    assert float(rows[1]["to_the_best"]) == pytest.approx(-100 / 3)
    assert rows[2]["reason"] == "there are no weights"
    text = page.read_text()
    assert "Shootout of 3 models" in text
    assert "1 model failed and has no accuracy" in text
    assert all((tmp_path / f"out/figures/{name}").is_file() for name in
               ("models.png", "models.csv", "cost.png", "cost.csv"))  # fmt: skip


def test_a_shootout_in_which_all_failed_has_a_page_too(tmp_path):
    made = made_shootout(tmp_path, Runs(fails=["c"]))
    report = shootout_report(made, made.run([made_candidate("c")]))
    text = write_shootout(tmp_path / "out", report).read_text()
    assert "there are no weights" in text
    assert report["best"] is None
