"""The files of an evaluation: page, JSON, CSV, figures."""

import csv
import json

import pytest

from tests.detection.made import made_detection_report
from timesformer.detection.output import write_detection_report
from timesformer.files import WriteError


def test_all_files_have_the_numbers(tmp_path):
    report = made_detection_report()
    page = write_detection_report(tmp_path / "out", report)
    assert page == tmp_path / "out/index.html"
    assert json.loads((tmp_path / "out/report.json").read_text()) == report
    with (tmp_path / "out/per_class.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == [row["label"] for row in report["per_class"]]
    assert float(rows[0]["AP@0.5"]) == report["per_class"][0]["AP"]["0.5"]
    names = sorted(path.name for path in (tmp_path / "out/figures").iterdir())
    assert names == [
        "average_recall.csv", "average_recall.png", "map_by_tiou.csv", "map_by_tiou.png",
    ]  # fmt: skip
    numbers = (tmp_path / "out/figures/map_by_tiou.csv").read_text().splitlines()
    assert numbers == ["tiou,mAP", *(f"{name},{value}" for name, value in report["mAP"].items())]
    for link in ("report.json", "per_class.csv", "figures/map_by_tiou.png"):
        assert f'href="{link}"' in page.read_text()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"--out .*report.json cannot be written"):
        write_detection_report(tmp_path / "file", made_detection_report())
