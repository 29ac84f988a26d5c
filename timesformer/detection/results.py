"""What a detector found: segments with scores, in ActivityNet's results JSON or CSV.

    {"version": "...", "results": {"film": [{"label": "Long jump", "score": 0.9, "segment": [2.5, 9.0]}]},
     "external_data": {...}}

    video,label,score,start,end

A video is called by its name without folder and suffix. N detections are columns: a million of them
are read in seconds (``read_results``). Subtitles are in ``subtitles``.
"""

import csv
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from timesformer.errors import InputError
from timesformer.files import write_atomically
from timesformer.io.json_text import json_text
from timesformer.io.spreadsheet import safe_row
from timesformer.io.terminal import printable

VERSION = "VERSION 1.3"  # of ActivityNet, which its own evaluation looks for
COLUMNS = ("video", "label", "score", "start", "end")
LAYOUT = '{"results": {"NAME": [{"label", "score", "segment": [start, end]}]}}'


class ResultsError(InputError, ValueError):
    """Results that cannot be used; the message names file, video, rule and remedy."""


class Detection(NamedTuple):
    """A segment of class ``label``, in seconds, with its score."""

    label: str
    score: float
    start: float
    end: float


@dataclass(frozen=True)
class Detections:
    """All detections of some videos."""

    videos: tuple[str, ...]  # names, also of videos where nothing was found
    labels: tuple[str, ...]
    video: np.ndarray  # (N,) int64, places in ``videos``
    label: np.ndarray  # (N,) int64, places in ``labels``
    scores: np.ndarray  # (N,) float64, finite
    times: np.ndarray  # (N, 2) float64: start and end in seconds, start <= end

    def __len__(self) -> int:
        return len(self.scores)

    def by_video(self) -> dict[str, list[Detection]]:
        """Detections of each video, in the order of the file."""
        found: dict[str, list[Detection]] = {name: [] for name in self.videos}
        rows = zip(
            self.video.tolist(),
            self.label.tolist(),
            self.scores.tolist(),
            self.times.tolist(),
            strict=True,
        )
        for video, label, score, (start, end) in rows:
            found[self.videos[video]].append(Detection(self.labels[label], score, start, end))
        return found


def detections_of(results: Mapping[str, Iterable[Detection]], *, origin: str = "") -> Detections:
    """Detections by video as columns.

    Args:
        results: by the name of the video.
        origin: where they are from, for messages.

    Raises:
        ResultsError: a score is not finite, or a segment ends before it starts.
    """
    listed = {name: list(rows) for name, rows in results.items()}
    counts = [len(rows) for rows in listed.values()]
    flat = list(itertools.chain.from_iterable(listed.values()))
    places: dict[str, int] = {}
    label = [places.setdefault(row[0], len(places)) for row in flat]
    numbers = np.array([row[1:] for row in flat], dtype=np.float64).reshape(-1, 3)
    found = Detections(
        tuple(listed),
        tuple(places),
        np.repeat(np.arange(len(counts)), counts),
        np.array(label, dtype=np.int64),
        numbers[:, 0],
        numbers[:, 1:],
    )
    check_detections(found, origin)
    return found


def write_results(
    path: Path,
    results: Mapping[str, Iterable[Detection]],
    *,
    external_data: Mapping[str, Any] | None = None,
) -> None:
    """Write ActivityNet's results JSON.

    Args:
        path: the file.
        results: by the name of the video without suffix.
        external_data: what else there is to say: model, parameters.

    Raises:
        WriteError: the file cannot be written.
    """
    content = {
        "version": VERSION,
        "results": {
            name: [
                {"label": row.label, "score": row.score, "segment": [row.start, row.end]}
                for row in rows
            ]
            for name, rows in results.items()
        },
        "external_data": dict(external_data or {}),
    }
    with write_atomically(path, option="--out") as file:
        file.write(json_text(content) + "\n")


def write_csv(path: Path, results: Mapping[str, Iterable[Detection]]) -> None:
    """Write a row for each detection; WriteError if the file cannot be written."""
    with write_atomically(path, newline="", option="--out") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for name, rows in results.items():
            writer.writerows(safe_row([name, *row]) for row in rows)


def check_detections(found: Detections, origin: str) -> None:
    """Raise a ResultsError for the first score or segment that cannot be."""
    start = f"{origin}: " if origin else ""
    bad = np.flatnonzero(~np.isfinite(found.scores) | ~np.isfinite(found.times).all(axis=1))
    if len(bad):
        row = bad[0]
        raise ResultsError(
            f"{start}{printable(found.videos[found.video[row]])} has "
            f"{printable(found.labels[found.label[row]])} with the score {found.scores[row]:g} from "
            f"{found.times[row, 0]:g} to {found.times[row, 1]:g} s, as {len(bad)} of {len(found)} "
            "detections; scores and times are finite numbers: detect again"
        )
    turned = np.flatnonzero(found.times[:, 0] > found.times[:, 1])
    if len(turned):
        row = turned[0]
        raise ResultsError(
            f"{start}{printable(found.videos[found.video[row]])} has "
            f"{printable(found.labels[found.label[row]])} from {found.times[row, 0]:g} to "
            f"{found.times[row, 1]:g} s, which ends before it starts; a segment is [start, end] in seconds"
        )
