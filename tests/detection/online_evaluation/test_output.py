"""All files of a report on online scores."""

import csv
import json

import pytest

from tests.detection.online_evaluation.made import made_stream_report
from timesformer.detection.online_evaluation.output import write_stream_report
from timesformer.files import WriteError
from timesformer.io.json_text import finite

FIGURES = ("time_to_detection", "detected_within", "per_stage", "point_map")


def test_the_files_have_the_numbers(tmp_path):
    report = finite(made_stream_report())
    page = write_stream_report(tmp_path / "out", report)
    assert page == tmp_path / "out/index.html"
    assert json.loads((tmp_path / "out/report.json").read_text()) == report
    with (tmp_path / "out/per_class.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["detected"]) for row in rows] == [r["detected"] for r in report["per_class"]]
    found = {path.name for path in (tmp_path / "out/figures").iterdir()}
    assert found == {f"{name}.{kind}" for name in FIGURES for kind in ("png", "csv")}
    with (tmp_path / "out/figures/time_to_detection.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = [("stream_time", point) for point in report["stream_time"]["curve"]]
    expected += [("as_seen", point) for point in report["as_seen"]["curve"]]
    assert [(row["known"], float(row["detected"])) for row in rows] == [
        (name, point["detected"]) for name, point in expected
    ]


def test_numbers_that_are_not_there_are_no_obstacle(tmp_path):
    write_stream_report(tmp_path, made_stream_report(speed=None, fps=0.1, noise=30, rate=0))
    assert "–" in (tmp_path / "index.html").read_text()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"report\.json cannot be written"):
        write_stream_report(tmp_path / "file", made_stream_report())
