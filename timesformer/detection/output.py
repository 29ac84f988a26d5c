"""The files of an evaluation of detections: JSON, CSV, figures and the page.

index.html   report.json   per_class.csv   figures/NAME.png   figures/NAME.csv
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from timesformer.evaluation.report.output import CLASSES, REPORT, write_json, write_page
from timesformer.files import write_atomically
from timesformer.io.spreadsheet import safe_row


def write_detection_report(folder: Path, report: Mapping[str, Any]) -> Path:
    """Write all files into ``folder``, which is made; returns the page.

    Raises:
        WriteError: a file cannot be written.
    """
    from timesformer.visualize.detection_report_page import render_detection_report

    write_json(folder / REPORT, report)
    with write_atomically(folder / CLASSES, newline="", option="--out") as file:
        writer = csv.writer(file)
        columns = ("label", "annotations", "detections", "average_AP", "per_frame_AP")
        writer.writerow([*columns, *(f"AP@{name}" for name in report["mAP"])])
        for row in report["per_class"]:
            writer.writerow(safe_row([*(row[name] for name in columns), *row["AP"].values()]))
    return write_page(folder, report, render_detection_report(report))
