"""Predictions as text: a table for people, JSON and CSV for programs."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePath

from timesformer.inference.predictor import Prediction
from timesformer.io.json_text import json_text
from timesformer.io.spreadsheet import safe_row
from timesformer.io.terminal import printable, width
from timesformer.tables import format_table
from timesformer.video import TimeSpan

COLUMNS = ("video", "rank", "class", "probability", "seconds")
SECONDS_WIDTH = 17  # as `0.0–8.5 of 43.3 s`


def as_table(predictions: Iterable[Prediction], top: int, videos: Sequence[str]) -> Iterator[str]:
    """The ``top`` likeliest classes of every video, named by its path below a common folder.

    A video without a prediction has one row, with the reason in place of classes. The rows of a video
    are given as soon as its prediction is computed; the head comes with the first ones.
    """
    names = [printable(name) for name in short_names(videos)]
    widths: list[int] = []
    for name, each in zip(names, predictions, strict=True):
        rows: list[Sequence[str]] = []
        if not widths:
            widths = _widths(names, each)
            rows = [COLUMNS]
        if each.error:
            rows.append((name, "error", each.error, "", ""))
        for rank, best in enumerate([] if each.error else each.top(top), start=1):
            seen = str(each.span or "") if rank == 1 else ""
            share = f"{100 * best.probability:9.2f} %"
            rows.append((name if rank == 1 else "", str(rank), best.name, share, seen))
        yield format_table(rows, has_head=rows[0] is COLUMNS, widths=widths)


def _widths(names: Sequence[str], first: Prediction) -> list[int]:
    """Widths of the columns, for the longest names of all videos and classes."""
    classes = first.class_names or [f"class {len(first.scores)}"]
    least = [*map(len, COLUMNS[:-1]), SECONDS_WIDTH]
    least[0] = max(least[0], *map(width, names))
    least[1] = len("error")
    least[2] = max(least[2], *(width(printable(name)) for name in classes))
    return least


def as_json(predictions: Iterable[Prediction], top: int, _: Sequence[str] = ()) -> Iterator[str]:
    """A list of objects: video, error, seconds looked at, remarks, temperature, and the ``top`` classes.

    At the end. Of each class label, name, probability and score; a temperature that is null was not used.
    """
    found = [
        {
            "video": each.video,
            "error": each.error,
            **(each.span._asdict() if each.span else dict.fromkeys(TimeSpan._fields)),
            "remarks": [f"{remark.kind}: {remark.detail}" for remark in each.remarks],
            "temperature": each.temperature,
            "classes": [] if each.error else [best._asdict() for best in each.top(top)],
        }
        for each in predictions
    ]
    yield json_text(found)


def as_csv(predictions: Iterable[Prediction], top: int, _: Sequence[str] = ()) -> Iterator[str]:
    """A row for each of the ``top`` classes of a video, or one with its error; as they come."""
    head = ["video", "rank", "label", "class", "probability", "score", "error", *TimeSpan._fields]
    for each in predictions:
        rows, head = [head] if head else [], []
        seconds = each.span or [""] * len(TimeSpan._fields)
        if each.error:
            rows.append(safe_row([each.video, "", "", "", "", "", each.error, *seconds]))
        for rank, best in enumerate([] if each.error else each.top(top), start=1):
            numbers = (f"{best.probability:.6g}", f"{best.score:.6g}")
            row = [each.video, rank, best.label, best.name, *numbers, "", *seconds]
            rows.append(safe_row(row))
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        yield text.getvalue().removesuffix("\n")


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


FORMATS: dict[str, Callable[[Iterable[Prediction], int, Sequence[str]], Iterator[str]]] = {
    "table": as_table,
    "json": as_json,
    "csv": as_csv,
}
