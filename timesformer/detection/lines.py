"""Figures of detections as text, for the terminal; shares in percent."""

from collections.abc import Iterator, Mapping
from typing import Any

from timesformer.io.terminal import printable
from timesformer.tables import format_table

MOST_COLUMNS = 6  # thresholds in the table of classes


def evaluation_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Counts, mAP by threshold, the other metrics, and every class."""
    subset = f" of {printable(report['subset'])}" if report["subset"] else ""
    yield (
        f"{report['videos']:,} videos{subset}, {report['annotations']:,} annotations of "
        f"{len(report['per_class']):,} classes, {report['detections']:,} detections"
    )
    yield ""
    rows = [("tIoU", "mAP %"), *((name, _percent(value)) for name, value in report["mAP"].items())]
    yield format_table([*rows, ("average", _percent(report["average_mAP"]))], right={1})
    yield ""
    yield format_table([("metric", "%"), *_metrics(report)], right={1})
    yield ""
    yield _class_table(report)


def _metrics(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for count, share in report["average_recall"].items():
        yield f"AR@{count}", _percent(share)
    yield "per-frame mAP", _percent(report["per_frame_mAP"])
    yield "edit score", _percent(report["edit"])
    for overlap, share in report["f1"].items():
        yield f"F1@{overlap}", _percent(share)


def _class_table(report: Mapping[str, Any]) -> str:
    names = list(report["mAP"])
    names = names if len(names) <= MOST_COLUMNS else []
    head = ("class", "annotations", "detections", *(f"AP@{name}" for name in names), "average AP %")
    rows = [
        (
            row["label"],
            f"{row['annotations']:,}",
            f"{row['detections']:,}",
            *(_percent(row["AP"][name]) for name in names),
            _percent(row["average_AP"]),
        )
        for row in report["per_class"]
    ]
    return format_table([head, *rows], right=range(1, len(head)))


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"
