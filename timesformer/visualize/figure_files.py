"""The figures of a report or comparison as files: each as PNG, and its numbers as CSV."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from timesformer.files import write_atomically
from timesformer.io.spreadsheet import safe_row
from timesformer.visualize import (
    calibration_figures,
    comparison_figures,
    detection_figures,
    online_figures,
    report_figures,
    shootout_figures,
    training_figure,
)
from timesformer.visualize.figure_style import png_bytes

Json = Mapping[str, Any]


class Drawn(NamedTuple):
    """How one figure is drawn, and its numbers: a head and rows."""

    has: Callable[[Json], bool]  # whether the report has what it needs
    draw: Callable[[Json], Figure]
    numbers: Callable[[Json], Iterable[Sequence[object]]]


def write_figures(folder: Path, report: Json) -> list[Path]:
    """Write ``NAME.png`` and ``NAME.csv`` of each figure that ``report`` has the numbers for.

    Raises:
        WriteError: a file cannot be written.
    """
    written = []
    for name in figure_names(report):
        figure = FIGURES[name]
        with write_atomically(folder / f"{name}.png", "wb") as file:
            file.write(png_bytes(figure.draw(report)))
        with write_atomically(folder / f"{name}.csv", newline="") as file:
            csv.writer(file).writerows(safe_row(row) for row in figure.numbers(report))
        written += [folder / f"{name}.png", folder / f"{name}.csv"]
    return written


def figure_names(report: Json) -> list[str]:
    """Rows of FIGURES that ``report``, which may also be a comparison, has the numbers for."""
    return [name for name, figure in FIGURES.items() if figure.has(report)]


def _accuracy_rows(report: Json) -> Iterable[Sequence[object]]:
    yield "metric", "value", "low", "high"
    for name, found in report["accuracy"].items():
        yield name, found["value"], *(found.get("interval") or ("", ""))


def _class_rows(report: Json) -> Iterable[Sequence[object]]:
    yield "label", "name", "support", "score", "low", "high", "train_videos"
    for row in report["per_class"]:
        interval = row.get("interval") or ("", "")
        score, train = report_figures.class_score(row), row.get("train_videos")
        yield row["label"], row["name"], row["support"], score, *interval, train


def _confusion_rows(report: Json) -> Iterable[Sequence[object]]:
    names = report["classes"]["names"]
    yield "true", "true_name", "predicted", "predicted_name", "videos"
    for true, row in enumerate(report["confusion"]):
        for predicted, count in enumerate(row):
            if count:
                yield true, names[true], predicted, names[predicted], count


def _reliability_rows(report: Json) -> Iterable[Sequence[object]]:
    columns = ("videos", "low", "high", "confidence", "accuracy")
    yield "scores", *columns, "accuracy_low", "accuracy_high"
    found = report["calibration"]
    after = (found["temperature"] or {}).get("bins", ())
    for scores, bins in (("as predicted", found["bins"]), ("temperature", after)):
        for each in bins:
            yield scores, *(each[name] for name in columns), *(each["interval"] or ("", ""))


def _coverage_rows(report: Json) -> Iterable[Sequence[object]]:
    columns = ("coverage", "threshold", "accuracy")
    yield columns
    yield from ([point[name] for name in columns] for point in report["coverage"])


def _view_rows(report: Json) -> Iterable[Sequence[object]]:
    columns = ("temporal", "crops", "clips", "milliseconds", "value")
    yield *columns, "low", "high"
    for point in report["views"]["points"]:
        yield *(point[name] for name in columns), *(point.get("interval") or ("", ""))


def _training_rows(report: Json) -> Iterable[Sequence[object]]:
    yield "curve", "epoch", "value"
    for name in ("loss", "validation"):
        yield from ((name, *point) for point in report["training"][name])


def _pair_rows(comparison: Json) -> Iterable[Sequence[object]]:
    yield "a", "b", "difference", "low", "high"
    for pair in comparison["pairs"]:
        yield pair["a"], pair["b"], pair["difference"], *pair["interval"]


def _tiou_rows(report: Json) -> Iterable[Sequence[object]]:
    yield "tiou", "mAP"
    yield from report["mAP"].items()


def _recall_rows(report: Json) -> Iterable[Sequence[object]]:
    yield "detections", "average_recall"
    yield from report["average_recall"].items()


def _stage_rows(report: Json) -> Iterable[Sequence[object]]:
    yield "known", "from", "to", "mAP", "mcAP"
    for name, view in _views(report):
        yield from ((name, *stage.values()) for stage in view["stages"])


def _point_rows(report: Json) -> Iterable[Sequence[object]]:
    yield "known", "seconds", "point_mAP"
    for name, view in _views(report):
        yield from ((name, *point) for point in view["point_mAP"].items())


def _within_rows(report: Json) -> Iterable[Sequence[object]]:
    yield "known", "seconds", "detected"
    for name, view in _views(report):
        yield from ((name, *point) for point in view["detected_within"].items())


def _delay_rows(report: Json) -> Iterable[Sequence[object]]:
    yield "known", *report["stream_time"]["curve"][0]
    for name, view in _views(report):
        yield from ((name, *point.values()) for point in view["curve"])


def _views(report: Json) -> Iterable[tuple[str, Json]]:
    """What is known in stream time, and as seen, of a report on online scores."""
    return ((name, report[name]) for name in online_figures.VIEWS if report[name])


FIGURES = {
    "accuracy": Drawn(
        lambda report: bool(report.get("accuracy")),
        lambda report: report_figures.draw_accuracy(report["accuracy"]),
        _accuracy_rows,
    ),
    "per_class": Drawn(
        lambda report: (
            report["kind"] == "report" and bool(report_figures.ranked(report["per_class"]))
        ),
        lambda report: report_figures.draw_per_class(report["per_class"]),
        _class_rows,
    ),
    "confusion": Drawn(
        lambda report: bool(report.get("confusion")),
        lambda report: report_figures.draw_confusion(
            report["confusion"], report["confusion_order"], report["classes"]["names"]
        ),
        _confusion_rows,
    ),
    "frequency": Drawn(
        lambda report: bool(report.get("training_frequency")),
        lambda report: report_figures.draw_frequency(
            report["per_class"], report["training_frequency"]
        ),
        _class_rows,
    ),
    "reliability": Drawn(
        lambda report: bool(report.get("calibration")) and bool(report.get("coverage")),
        lambda report: calibration_figures.draw_reliability(
            report["calibration"], report["coverage"]
        ),
        _reliability_rows,
    ),
    "coverage": Drawn(
        lambda report: bool(report.get("coverage")),
        lambda report: calibration_figures.draw_coverage(report["coverage"]),
        _coverage_rows,
    ),
    "views": Drawn(
        lambda report: bool(report.get("views")),
        lambda report: report_figures.draw_views(report["views"]),
        _view_rows,
    ),
    "training": Drawn(
        lambda report: bool(report.get("training")),
        lambda report: training_figure.draw_training(report["training"]),
        _training_rows,
    ),
    "forest": Drawn(
        lambda report: report["kind"] == "comparison",
        lambda report: comparison_figures.draw_forest(report["pairs"]),
        _pair_rows,
    ),
    "map_by_tiou": Drawn(
        lambda report: report["kind"] == "detection",
        lambda report: detection_figures.draw_map_by_tiou(report["mAP"]),
        _tiou_rows,
    ),
    "average_recall": Drawn(
        lambda report: report["kind"] == "detection",
        lambda report: detection_figures.draw_average_recall(report["average_recall"]),
        _recall_rows,
    ),
    "time_to_detection": Drawn(
        lambda report: report["kind"] == "online_detection",
        online_figures.draw_time_to_detection,
        _delay_rows,
    ),
    "detected_within": Drawn(
        lambda report: report["kind"] == "online_detection",
        online_figures.draw_detected_within,
        _within_rows,
    ),
    "per_stage": Drawn(
        lambda report: report["kind"] == "online_detection",
        online_figures.draw_stages,
        _stage_rows,
    ),
    "point_map": Drawn(
        lambda report: report["kind"] == "online_detection",
        online_figures.draw_point_map,
        _point_rows,
    ),
    "models": Drawn(
        lambda report: (
            report["kind"] == "shootout" and bool(shootout_figures.tested_models(report))
        ),
        shootout_figures.draw_models,
        shootout_figures.model_rows,
    ),
    "cost": Drawn(
        lambda report: report["kind"] == "shootout" and bool(shootout_figures.timed_models(report)),
        shootout_figures.draw_cost,
        shootout_figures.cost_rows,
    ),
}
