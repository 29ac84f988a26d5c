"""Predictions of a test as arrays: the only input that a report needs.

They are read from the CSV of a test (``prediction_table``), or from files of other programs
(``foreign``). N is the number of videos with scores, K that of the classes.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from timesformer.errors import InputError
from timesformer.evaluation.report import records
from timesformer.files import PREDICTIONS
from timesformer.io.terminal import printable

TEST_AGAIN = "test again, or name the file of another program"
# The name of a CSV, which says the list, and the protocol if it is not the configured one.
_OF_SPLIT = re.compile(r"(\w+?)_predictions(?:_(\w+))?\.csv")


LIMITED = "not scored: the test was limited"  # reason of a video that was left out on purpose


class PredictionsError(InputError, ValueError):
    """A file of predictions that cannot be used; the message names the file, the row and the rule."""


@dataclass(frozen=True)
class Predictions:
    """What a test says of each video, in the order of its list."""

    origin: Path
    sha256: str  # of the bytes of the file
    paths: tuple[str, ...]  # N
    keys: tuple[str, ...]  # N; the path, with a number where a path occurs several times
    labels: np.ndarray  # (N,) int64, or (N, K) bool
    scores: np.ndarray  # (N, K) float64, finite
    predicted: np.ndarray  # (N,) int64, the class of the highest score
    names: tuple[str, ...] = ()  # K, or none
    failures: tuple[tuple[str, str], ...] = ()  # key and reason of videos without scores
    failed_paths: tuple[str, ...] = ()  # of these F videos
    failed_labels: np.ndarray | None = None  # (F,) or (F, K) of them, as ``labels``
    places: np.ndarray | None = None  # (N,) rows in the file, from 0; the failures have the others
    spans: np.ndarray | None = None  # (N, 2) seconds that the clips show; nan: unknown
    durations: np.ndarray | None = None  # (N,) seconds of the files
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # name -> N texts
    record: records.RunRecord = records.UNKNOWN
    has_paths: bool = True  # else the file names no videos, and paths are "row 0", "row 1", ...

    @property
    def num_classes(self) -> int:
        return int(self.scores.shape[1])

    @property
    def is_multi_label(self) -> bool:
        return self.labels.ndim == 2

    @property
    def total(self) -> int:
        """Videos with and without scores."""
        return len(self.paths) + len(self.failures)

    def name(self, label: int) -> str:
        """What to call a class."""
        return self.names[label] if self.names else f"class {label}"

    def subset(self, rows: np.ndarray) -> "Predictions":
        """The videos ``rows``, in that order, without the failures."""
        picked = {
            "paths": tuple(self.paths[i] for i in rows),
            "keys": tuple(self.keys[i] for i in rows),
            "labels": self.labels[rows],
            "scores": self.scores[rows],
            "predicted": self.predicted[rows],
            "failures": (),
            "failed_paths": (),
            "failed_labels": None,
            **{
                name: None if array is None else array[rows]
                for name, array in (
                    ("places", self.places),
                    ("spans", self.spans),
                    ("durations", self.durations),
                )
            },
            "columns": {
                name: tuple(texts[i] for i in rows) for name, texts in self.columns.items()
            },
        }
        return Predictions(**{**self.__dict__, **picked})


def read_predictions(path: Path, *, split: str = "test") -> Predictions:
    """The predictions of a run's folder, or of a file.

    Args:
        path: a folder, a CSV, or a pickle of the published code or of mmaction2.
        split: of a folder, the list whose predictions count.

    Raises:
        PredictionsError: there are none, or they cannot be used.
    """
    from timesformer.evaluation.report import foreign, prediction_table

    file = path / PREDICTIONS.replace("test", split, 1) if path.is_dir() else path
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise PredictionsError(_absent(path, file, split)) from None
    except OSError as error:
        raise PredictionsError(
            f"{printable(file)} cannot be read: {error.strerror}; name the OUTPUT_DIR of a tested run"
        ) from error
    if not content:
        raise PredictionsError(f"{printable(file)} is empty; {TEST_AGAIN}")
    if content.lstrip()[:1] == b"{":
        raise PredictionsError(
            f"{printable(file)} is JSON, as a report is, and no predictions; name the OUTPUT_DIR of a test"
        )
    protocol = ""
    if named := _OF_SPLIT.fullmatch(file.name):
        split, protocol = named[1], named[2] or ""
    record = records.read_record(file.parent, split, protocol)
    if foreign.is_pickled(content):
        return foreign.read_pickled(file, content, record)
    return prediction_table.read_table(file, content, record)


def _absent(path: Path, file: Path, split: str) -> str:
    if path.is_dir():
        remedy = "test into this OUTPUT_DIR first" + " with TEST.SPLIT val" * (split == "val")
        return f"{printable(file)} does not exist; {remedy}"
    return f"{printable(path)}: no such file or folder; name the OUTPUT_DIR of a tested run"


def assemble(
    origin: Path,
    content: bytes,
    record: records.RunRecord,
    *,
    paths: Sequence[str],
    keys: Sequence[str],
    labels: np.ndarray,
    scores: np.ndarray,
    predicted: np.ndarray | None = None,
    **more: Any,
) -> Predictions:
    """The predictions that a reader has found, checked.

    Raises:
        PredictionsError: no video has scores, a score is not finite, labels do not fit.
    """
    where = printable(origin)
    if not len(scores):
        raise PredictionsError(
            f"{where}: no video has scores, so there is nothing to report; {TEST_AGAIN}"
        )
    bad = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if len(bad):
        raise PredictionsError(
            f"{where}: {printable(paths[bad[0]])} has a score that is not a finite number (nan or "
            f"inf), as {len(bad)} of {len(scores)} videos; {TEST_AGAIN}"
        )
    if labels.ndim == 1:
        outside = np.flatnonzero((labels < 0) | (labels >= scores.shape[1]))
        if len(outside):
            first = outside[0]
            raise PredictionsError(
                f"{where}: {outside_classes(paths[first], labels[first], scores.shape[1])}"
            )
    best = scores.argmax(axis=1)
    if predicted is not None:
        _check_predicted(where, paths, scores, predicted)
        best = predicted
    return Predictions(
        origin,
        hashlib.sha256(content).hexdigest(),
        tuple(paths),
        tuple(keys),
        labels,
        scores,
        best,
        record=record,
        **more,
    )


def _check_predicted(
    where: str, paths: Sequence[str], scores: np.ndarray, predicted: np.ndarray
) -> None:
    """Rounded scores may be equal where those of the test were not: then the test is right."""
    rows = np.arange(len(scores))
    fits = (predicted >= 0) & (predicted < scores.shape[1])
    fits[fits] = scores[rows[fits], predicted[fits]] == scores[fits].max(axis=1)
    if not fits.all():
        first = int(np.flatnonzero(~fits)[0])
        raise PredictionsError(
            f"{where}: {printable(paths[first])} has the prediction {predicted[first]}, but the "
            f"highest score is that of class {scores[first].argmax()}; the file was edited: test again"
        )


def outside_classes(path: str, label: int, num_classes: int) -> str:
    """What is wrong with the ``label`` of a video that is not one of the classes."""
    return (
        f"{printable(path)} has the label {label}, but there are scores of the classes "
        f"0 .. {num_classes - 1}; correct the label"
    )
