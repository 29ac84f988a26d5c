"""Detections against annotations as a page: a function of the numbers of ``report.json``."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from timesformer.visualize.figure_files import FIGURES, figure_names
from timesformer.visualize.figure_style import svg_text
from timesformer.visualize.lanes import fill_lanes, ticks
from timesformer.visualize.page import render_page

MOST_COLUMNS = 5  # thresholds in the table of classes
MOST_LANES = 5  # of a video, on each side
DEFINITIONS = (
    ("tIoU", "The common time of two segments over the time of both together."),
    ("AP", "The area under the precision, made falling, over the recall. Detections of a class are taken "
     "by falling score, equal ones by the name of the video and the start; one is right if an annotation "
     "of its class with enough tIoU is still free."),
    ("mAP", "The mean of AP over the classes."),
    ("AR@AN", "The share of annotations that the AN highest detections of each video cover, any class: "
     "mean over tIoU 0.5 to 0.95."),
    ("per-frame mAP", "Mean over the classes of AP over all moments; the score of a moment is the highest "
     "of the detections there."),
    ("edit score", "1 minus the edit distance of the sequences of actions over the longer length, mean of "
     "the videos."),
    ("F1@10, 25, 50", "Of segments of one class a moment that overlap an annotation by so many percent."),
)  # fmt: skip


def render_detection_report(report: Mapping[str, Any]) -> str:
    """The page of ``report``, see ``detection.evaluation``."""
    names = list(report["mAP"])
    return render_page(
        "detection_report.html",
        title="Detections against annotations",
        report=report,
        figures={
            name: Markup(svg_text(FIGURES[name].draw(report), name))
            for name in figure_names(report)
        },
        metrics=_metrics(report),
        classes=sorted(report["per_class"], key=lambda row: (row["average_AP"], row["label"])),
        columns=names if len(names) <= MOST_COLUMNS else [],
        lines=[_line(video) for video in report["worst"]],
        definitions=DEFINITIONS,
    )


def _metrics(report: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Name and percent."""
    rows = [(f"mAP at tIoU {name}", value) for name, value in report["mAP"].items()]
    if len(rows) > MOST_COLUMNS:
        rows = [
            row for name, row in zip(report["mAP"], rows, strict=True) if name in ("0.5", "0.75")
        ]
    rows += [("AR@100", report["average_recall"]["100"])]
    rows += [("per-frame mAP", report["per_frame_mAP"]), ("edit score", report["edit"])]
    rows += [(f"F1@{name}", value) for name, value in report["f1"].items()]
    return [(name, 100 * value) for name, value in rows]


def _line(video: Mapping[str, Any]) -> dict[str, Any]:
    """A video with the places of its bars."""
    duration = max(video["duration"], 1e-9)
    return {
        **video,
        "ticks": ticks(duration),
        "rows": [
            ("truth", fill_lanes(video["truth"], duration, MOST_LANES)),
            ("found", fill_lanes(video["detections"], duration, MOST_LANES)),
        ],
    }
