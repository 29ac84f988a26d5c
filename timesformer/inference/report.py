"""Predictions as text: a table for people, JSON and CSV for programs."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from pathlib import PurePath

from timesformer.inference.predictor import Prediction
from timesformer.json_text import json_text
from timesformer.spreadsheet import safe_row
from timesformer.tables import format_table
from timesformer.terminal import printable
from timesformer.video.looking import Span

COLUMNS = ("video", "rank", "class", "probability", "seconds")


def as_table(predictions: Sequence[Prediction], top: int) -> str:
    """The ``top`` likeliest classes of every video, called by its path below a common folder.

    A video without a prediction has one row, with the reason in place of classes.
    """
    names = short_names([each.video for each in predictions])
    rows, reasons = [COLUMNS], {}
    for name, prediction in zip(names, predictions, strict=True):
        shown = printable(name)
        if prediction.error:
            reasons[len(rows)] = printable(prediction.error)
            rows.append((shown, "error", "", "", ""))
            continue
        for rank, best in enumerate(prediction.top(top), start=1):
            seen = str(prediction.span or "") if rank == 1 else ""
            share = f"{100 * best.probability:9.2f} %"
            rows.append((shown if rank == 1 else "", str(rank), printable(best.name), share, seen))
    lines = format_table(rows).splitlines()
    for row, reason in reasons.items():
        start = lines[0].index(COLUMNS[2])  # which may be long, and widens no column
        lines[row + 1] = f"{lines[row + 1]:{start}s}{reason}"  # below the rule
    return "\n".join(lines)


def as_json(predictions: Sequence[Prediction], top: int) -> str:
    """A list of objects: video, error, seconds looked at, remarks, and the ``top`` classes.

    Of each class label, name, probability and score.
    """
    found = [
        {
            "video": each.video,
            "error": each.error,
            **(each.span._asdict() if each.span else dict.fromkeys(Span._fields)),
            "remarks": [f"{remark.kind}: {remark.detail}" for remark in each.remarks],
            "classes": [] if each.error else [best._asdict() for best in each.top(top)],
        }
        for each in predictions
    ]
    return json_text(found)


def as_csv(predictions: Sequence[Prediction], top: int) -> str:
    """A row for each of the ``top`` classes of a video, or one with its error."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = ["video", "rank", "label", "class", "probability", "score", "error", *Span._fields]
    writer.writerow(head)
    for each in predictions:
        seconds = each.span or [""] * len(Span._fields)
        if each.error:
            writer.writerow(safe_row([each.video, "", "", "", "", "", each.error, *seconds]))
            continue
        for rank, best in enumerate(each.top(top), start=1):
            numbers = (f"{best.probability:.6g}", f"{best.score:.6g}")
            row = [each.video, rank, best.label, best.name, *numbers, "", *seconds]
            writer.writerow(safe_row(row))
    return text.getvalue().rstrip("\n")


def short_names(videos: Sequence[str]) -> list[str]:
    """File names, with as many folders as it takes to tell the videos apart."""
    parts = [PurePath(video).parts for video in videos]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-depth:]) for each in parts]
        if len(set(names)) == len(set(videos)):
            return names
    return list(videos)


def file_names(videos: Sequence[str]) -> list[str]:
    """A name for what is written of each video, all different: its own, with folders if need be."""
    stems = [str(PurePath(name).with_suffix("")) for name in short_names(videos)]
    plain = [re.sub(r"[^\w.+-]+", "_", stem) for stem in stems]
    return [f"{name}_{i}" if plain.count(name) > 1 else name for i, name in enumerate(plain)]


FORMATS: dict[str, Callable[[Sequence[Prediction], int], str]] = {
    "table": as_table,
    "json": as_json,
    "csv": as_csv,
}
