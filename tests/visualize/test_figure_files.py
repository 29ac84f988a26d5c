import csv

import pytest

from tests.visualize.made_report import made_comparison, made_report
from timesformer.files import WriteError
from timesformer.visualize.figure_files import figure_names, write_figures

REPORT_FIGURES = [
    "accuracy",
    "per_class",
    "confusion",
    "frequency",
    "reliability",
    "coverage",
    "views",
]


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_figure_is_a_picture_and_its_numbers_the_same_every_time(tmp_path):
    report = made_report()
    written = write_figures(tmp_path / "a", report)
    again = write_figures(tmp_path / "b", made_report())
    assert [path.name for path in written] == [
        f"{name}.{kind}" for name in REPORT_FIGURES for kind in ("png", "csv")
    ]
    for one, other in zip(written, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert one.suffix == ".csv" or one.read_bytes().startswith(b"\x89PNG")


def test_the_numbers_are_those_of_the_report(tmp_path):
    report = made_report()
    write_figures(tmp_path, report)
    found = rows(tmp_path / "accuracy.csv")
    assert found[0]["metric"] == "top1"
    assert float(found[0]["value"]) == report["accuracy"]["top1"]["value"]
    assert float(found[0]["high"]) == report["accuracy"]["top1"]["interval"][1]
    cells = rows(tmp_path / "confusion.csv")
    assert sum(int(row["videos"]) for row in cells) == 400
    assert {(int(row["true"]), int(row["predicted"])) for row in cells} == {
        (k, p) for k, line in enumerate(report["confusion"]) for p, n in enumerate(line) if n
    }
    bins = rows(tmp_path / "reliability.csv")
    assert [row["scores"] for row in bins] == ["as predicted"] * 15 + ["temperature"] * 15
    assert float(bins[3]["accuracy_low"]) == report["calibration"]["bins"][3]["interval"][0]
    assert len(rows(tmp_path / "coverage.csv")) == len(report["coverage"])
    assert [row["clips"] for row in rows(tmp_path / "views.csv")][:2] == ["3", "6"]
    classes = rows(tmp_path / "per_class.csv")
    assert [row["name"] for row in classes] == report["classes"]["names"]
    assert float(classes[2]["score"]) == report["per_class"][2]["accuracy"]


def test_a_name_is_never_a_formula(tmp_path):
    report = made_report()
    report["per_class"][0]["name"] = "=1+1"
    write_figures(tmp_path, report)
    assert rows(tmp_path / "per_class.csv")[0]["name"] == "'=1+1"


def test_figures_without_numbers_are_left_out():
    report = made_report(views=None, calibration=None, training_frequency=None, confusion=None)
    assert figure_names(report) == ["accuracy", "per_class", "coverage"]


def test_a_comparison_has_a_forest_plot(tmp_path):
    comparison = made_comparison()
    written = write_figures(tmp_path, comparison)
    assert [path.name for path in written] == ["forest.png", "forest.csv"]
    found = rows(tmp_path / "forest.csv")
    assert [float(row["low"]) for row in found] == [
        pair["interval"][0] for pair in comparison["pairs"]
    ]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"accuracy\.png cannot be written"):
        write_figures(tmp_path / "file", made_report())
