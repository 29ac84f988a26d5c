"""Compare online scores with annotations: how well each moment is known, and how early an action is found.

Scores are the lines of timesformer watch --probabilities, a file for each stream, or NAME.scores.npz of
timesformer detect, whose windows are taken for known when they end. A stream goes by the name of its
source without folder and suffix. The truth is ActivityNet JSON, or a list of segments
`path label start end`. No model is needed.

What is known at a time is the score of the newest window that has ended. Where lines have latencies, all
figures are printed twice: in stream time, and as seen, with the latency.

Printed are per-frame mAP, mcAP, mAP of the first tenth of the actions, point mAP of starts, and the share
of actions detected and the time to it, at the threshold that --false-alarms allows. --out writes a page
with curves and the videos that are detected last, report.json, per_class.csv and figures as PNG and CSV.

$ timesformer watch film.mp4 --weights model.pyth --realtime --probabilities > film.jsonl
$ timesformer watch-eval --truth annotations.json --predictions film.jsonl --out watch-report
$ timesformer watch-eval --truth annotations.json --predictions detections --false-alarms 10 --json
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from timesformer.cli.app import command
from timesformer.cli.options import OUT
from timesformer.cli.truth_options import TruthOptions


def _positive(fps: float | None) -> float | None:
    if fps is not None and not 0 < fps < float("inf"):
        raise typer.BadParameter(f"{fps:g} must be more than 0 frames a second")
    return fps


@command()
def main(
    reference: TruthOptions,
    predictions: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE|DIR", help="JSONL of watch, scores of detect, folders; several times."
        ),
    ],
    video: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The video of the only stream, as of a camera or pipe."),
    ] = None,
    timeline: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Which one, if the time of a stream began anew."),
    ] = None,
    false_alarms: Annotated[
        float,
        typer.Option(min=0, metavar="RATE", help="That are allowed an hour, all classes together."),
    ] = 1.0,
    fps: Annotated[
        float | None,
        typer.Option(
            callback=_positive,
            metavar="RATE",
            help="Count the frames of such a grid, as published numbers do; default: every moment.",
        ),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Announce starts by these rules, not as the stream has announced."
        ),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Evaluate only the time that a stream has.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(*OUT, metavar="DIR", help="Folder for a page and its numbers.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; shares are from 0 to 1.")
    ] = False,
) -> None:
    """Print the figures."""
    from timesformer.detection.online_evaluation.evaluation import evaluate_streams
    from timesformer.detection.online_evaluation.lines import stream_lines
    from timesformer.detection.online_evaluation.output import write_stream_report
    from timesformer.detection.online_evaluation.read_streams import read_streams
    from timesformer.detection.online_evaluation.streams import announce
    from timesformer.detection.rules_file import read_rules
    from timesformer.io.json_text import json_text
    from timesformer.io.terminal import printable

    streams = read_streams(predictions, video=video, timeline=timeline)
    if rules is not None:
        streams = [announce(stream, read_rules(rules)) for stream in streams]
    annotations = reference.read(streams[0].class_names)
    report = evaluate_streams(annotations, streams, rate=false_alarms, fps=fps, partial=partial)
    for warning in report["warnings"]:
        print(f"warning: {printable(warning)}", file=sys.stderr)
    print(json_text(report) if as_json else "\n".join(stream_lines(report)))
    if out:
        page = write_stream_report(out, report)
        print(f"report: {page}", file=sys.stderr)
