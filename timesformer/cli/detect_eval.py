"""Compare detections with annotations: mAP by tIoU, recall, every class, every moment, sequences.

Truth and predictions are ActivityNet JSON, or a list of segments `path label start end` and a CSV; no
model is needed. Equal scores are taken in the order of the name of the video, then of the start.

With --out it writes a page with the videos that miss most on a time line, report.json, per_class.csv
and every figure as PNG and CSV.

Detections in videos that are not in the truth are wrong, as in the published evaluation; those in videos
of other subsets, and of other classes, are left out. All are counted. A video is called by its name
without folder and suffix.

$ timesformer detect-eval --truth annotations.json --predictions detections --out detection-report
$ timesformer detect-eval --truth test.csv --predictions results.json --subset testing --json
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from timesformer.cli.app import command
from timesformer.cli.options import OUT
from timesformer.cli.truth_options import TruthOptions


@command()
def main(
    reference: TruthOptions,
    predictions: Annotated[
        Path,
        typer.Option(metavar="FILE|DIR", help="Results: JSON or CSV, or a folder of JSON files."),
    ],
    tiou: Annotated[
        str,
        typer.Option(
            metavar="FIRST:LAST:STEP", help="Thresholds of mAP; 0.5:0.95:0.05 are ActivityNet's."
        ),
    ] = "0.3:0.7:0.1",
    ignore_others: Annotated[
        bool,
        typer.Option("--ignore-others", help="Leave out detections in videos not in the truth."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(*OUT, metavar="DIR", help="Folder for a page and its numbers.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; shares are from 0 to 1.")
    ] = False,
) -> None:
    """Print the figures."""
    from timesformer.detection.evaluation import evaluate_detections
    from timesformer.detection.lines import evaluation_lines
    from timesformer.detection.output import write_detection_report
    from timesformer.detection.read_results import read_detections
    from timesformer.detection.thresholds import parse_tious
    from timesformer.io.json_text import json_text
    from timesformer.io.terminal import printable

    tious = parse_tious(tiou)
    annotations = reference.read()
    found = read_detections(predictions)
    report = evaluate_detections(
        annotations, found, tious, predictions=predictions, leave_out_others=ignore_others
    )
    for warning in report["warnings"]:
        print(f"warning: {printable(warning)}", file=sys.stderr)
    print(json_text(report) if as_json else "\n".join(evaluation_lines(report)))
    if out:
        page = write_detection_report(out, report)
        print(f"report: {page}", file=sys.stderr)
