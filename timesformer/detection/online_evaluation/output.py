"""The files of an evaluation of online scores: JSON, CSV, figures and the page.

index.html   report.json   per_class.csv   figures/NAME.png   figures/NAME.csv
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from timesformer.evaluation.report.output import CLASSES, REPORT, write_json, write_page
from timesformer.files import write_atomically
from timesformer.io.json_text import finite
from timesformer.io.spreadsheet import safe_row


def write_stream_report(folder: Path, report: Mapping[str, Any]) -> Path:
    """Write all files into ``folder``, which is made; returns the page.

    Raises:
        WriteError: a file cannot be written.
    """
    from timesformer.visualize.online_report_page import render_online_report

    report = finite(report)  # a number that is not there is null on the page as in the file
    write_json(folder / REPORT, report)
    with write_atomically(folder / CLASSES, newline="", option="--out") as file:
        writer = csv.writer(file)
        writer.writerow(report["per_class"][0])
        writer.writerows(safe_row(row.values()) for row in report["per_class"])
    return write_page(folder, report, render_online_report(report))
