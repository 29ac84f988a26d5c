"""The files of a report: same bytes every time, each a view of the same numbers."""

import csv
import json
from functools import partial

import pytest

from tests.evaluation.report.made import random_scores, write_csv
from timesformer.evaluation.report import output
from timesformer.evaluation.report.comparison import build_comparison
from timesformer.evaluation.report.predictions import read_predictions
from timesformer.evaluation.report.report import build_report
from timesformer.io.spreadsheet import original


@pytest.fixture
def made(tmp_path):
    names = ["=cmd", "walk; run", "čaj"]
    file = write_csv(tmp_path / "run/test_predictions.csv", *random_scores(80, 3), names=names)
    return read_predictions(file)


def files_of(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_the_same_predictions_give_the_same_bytes(made, tmp_path):
    write = partial(output.write_report, report=build_report(made), runs=[made], with_frames=True)
    page = write(tmp_path / "a")
    write(tmp_path / "b")
    assert page == tmp_path / "a/index.html"
    first = files_of(tmp_path / "a")
    assert first == files_of(tmp_path / "b")
    names = {str(name) for name in first}
    assert {"index.html", "report.json", "per_class.csv", "figures/reliability.png",
            "figures/reliability.csv"} <= names  # fmt: skip


def test_json_and_csv_hold_the_numbers(made, tmp_path):
    report = build_report(made)
    output.write_report(tmp_path, report, [made], with_frames=False)
    text = (tmp_path / "report.json").read_text()
    assert json.loads(text) == json.loads(json.dumps(report))
    assert len(text.splitlines()) == len(report) + 2
    with (tmp_path / "per_class.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["'=cmd", "walk; run", "čaj"]
    for row, expected in zip(rows, report["per_class"], strict=True):
        assert float(row["accuracy"]) == expected["accuracy"]
        assert [float(row["low"]), float(row["high"])] == expected["interval"]
        confused = expected["most_confused"]
        assert original(row["most_confused"]) == (confused["name"] if confused else "")


def test_a_comparison_has_its_own_files(made, tmp_path):
    comparison = build_comparison([made, made], names=["a", "b"])
    page = output.write_comparison(tmp_path, comparison, [made, made], with_frames=True)
    assert page.read_text().startswith("<!doctype html>")
    assert json.loads((tmp_path / "compare.json").read_text())["videos"] == 80
    assert list((tmp_path / "figures").glob("*.png"))
