"""Predictions as text: a table for people, JSON and CSV for programs."""

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import PurePath

from timesformer.inference.predictor import Prediction
from timesformer.tables import format_table

COLUMNS = ("video", "rank", "class", "probability")


def as_table(predictions: Sequence[Prediction], top: int) -> str:
    """The ``top`` likeliest classes of every readable video, called by its path below a common folder."""
    readable = [each for each in predictions if not each.error]
    if not readable:
        return "no video could be read"
    names = short_names([each.video for each in readable])
    rows = [COLUMNS]
    for name, prediction in zip(names, readable, strict=True):
        for rank, best in enumerate(prediction.top(top), start=1):
            shown = name if rank == 1 else ""
            rows.append((shown, str(rank), best.name, f"{100 * best.probability:9.2f} %"))
    return format_table(rows)


def as_json(predictions: Sequence[Prediction], top: int) -> str:
    """A list of objects: video, error, and the ``top`` classes with label, name, probability, score."""
    found = [
        {
            "video": each.video,
            "error": each.error,
            "classes": [] if each.error else [best._asdict() for best in each.top(top)],
        }
        for each in predictions
    ]
    return json.dumps(found, indent=2, ensure_ascii=False)


def as_csv(predictions: Sequence[Prediction], top: int) -> str:
    """A row for each of the ``top`` classes of a video, or one with its error."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["video", "rank", "label", "class", "probability", "score", "error"])
    for each in predictions:
        if each.error:
            writer.writerow([each.video, "", "", "", "", "", each.error])
            continue
        for rank, best in enumerate(each.top(top), start=1):
            numbers = (f"{best.probability:.6g}", f"{best.score:.6g}")
            writer.writerow([each.video, rank, best.label, best.name, *numbers, ""])
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
