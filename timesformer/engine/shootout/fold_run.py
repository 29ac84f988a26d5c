"""One fold of one model on disk: its lists, and what its run left.

OUT/<model>/fold-1/lists/train.csv, val.csv, test.csv, classes.txt
OUT/<model>/fold-1/test_predictions.csv, test_results.json, run.json, console.log
"""

import csv
import json
import os
from collections.abc import Sequence
from math import nan
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from timesformer.datasets.class_names import FILE
from timesformer.datasets.lists import VideoList
from timesformer.datasets.write_lists import row_line, write_lines
from timesformer.evaluation.run_costs import RunCosts, read_costs
from timesformer.files import METRICS, PREDICTIONS, RESULTS, RUN_RECORD, write_atomically
from timesformer.runtime.metrics_csv import read_rows
from timesformer.video.sources import is_local_file

CONSOLE = "console.log"
LISTS = "lists"
GROUP, FOLD = "group", "fold"  # further columns of the predictions of all folds


def write_fold_lists(folder: Path, videos: VideoList, held_out: np.ndarray) -> None:
    """Write the lists of a fold: ``held_out`` (N,) bool is tested, the rest trained on.

    The validation, which chooses nothing here, has one video.

    Raises:
        ListError: a name that a line cannot hold.
        WriteError: a file cannot be written.
    """
    tested = np.flatnonzero(held_out)
    parts = {"train": np.flatnonzero(~held_out), "val": tested[:1], "test": tested}
    for split, indices in parts.items():
        write_lines(folder / LISTS / f"{split}.csv", [line_of(videos, i) for i in indices.tolist()])
    if videos.class_names:
        write_lines(folder / LISTS / FILE, videos.class_names)


def line_of(videos: VideoList, index: int) -> str:
    """The line of a list, with an absolute path, that means this video."""
    name = videos.name(index)
    path = os.path.abspath(name) if is_local_file(name) else name
    start, end = videos.segment(index) or (nan, nan)
    return row_line(path, [int(videos.labels[index])], start, end)


def is_finished(folder: Path) -> bool:
    """Whether a fold has been trained and tested."""
    return (folder / RESULTS).is_file()


def read_fold(folder: Path) -> RunCosts | str:
    """The costs of a finished fold, or why it has no accuracy."""
    found = _json(folder / RESULTS)
    if found.get("nonfinite"):
        return f"{found['nonfinite']} of {found['videos']} videos have scores that are not finite"
    return read_costs(folder)


class Speed(NamedTuple):
    """Of training."""

    clips_per_second: float
    seconds: float  # that all batches took


def trial_speed(folder: Path) -> Speed | None:
    """The speed of a trial, None if it did not come to that; the first batch waits for the loader."""
    sessions = _json(folder / RUN_RECORD).get("sessions") or [{}]
    speed = sessions[-1].get("clips_per_second")
    rows = [row for row in read_rows(folder / METRICS) if row["type"] == "train_iter"]
    return Speed(float(speed), sum(float(row["dt"]) for row in rows)) if speed else None


def write_all_predictions(
    target: Path, folders: Sequence[Path], folds: np.ndarray, groups: np.ndarray | None
) -> None:
    """Write the predictions of all folds as one file, in the order of the list.

    Args:
        target: folder of the file.
        folders: of the folds.
        folds: (N,) fold of each video, whose rows are in the order of the list there.
        groups: (N,) codes, or None.

    Raises:
        WriteError: the file cannot be written.
    """
    rows: list[list[str]] = [[] for _ in folds]
    head: list[str] = []
    for fold, folder in enumerate(folders):
        path = folder / PREDICTIONS
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            head, *found = csv.reader(file)
        for index, row in zip(np.flatnonzero(folds == fold).tolist(), found, strict=True):
            group = [] if groups is None else [str(groups[index])]
            rows[index] = [*row, str(fold + 1), *group]
    names = [*head, FOLD, *[GROUP] * (groups is not None)]
    with write_atomically(target / PREDICTIONS, newline="", option="--out") as file:
        csv.writer(file).writerows([names, *rows])


def _json(path: Path) -> dict[str, Any]:
    """A file that this program wrote; empty if it did not come to that."""
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
