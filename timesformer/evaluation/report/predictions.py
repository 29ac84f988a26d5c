"""Predictions of a test as arrays, read from its CSV: the only input that a report needs.

    path,label,prediction,error,label_name,prediction_name,start_seconds,...,score_0,score_1,...

Columns may have any order; ``path``, ``label`` and the scores are enough. Every other column is kept as
text, for groups. N is the number of videos with scores, K that of the classes.
"""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from timesformer.errors import InputError
from timesformer.evaluation.report import records
from timesformer.files import PREDICTIONS
from timesformer.io.spreadsheet import original
from timesformer.io.terminal import printable

SPAN = ("start_seconds", "end_seconds", "duration_seconds")
_KNOWN = ("path", "label", "prediction", "error", "label_name", "prediction_name", *SPAN)
_TEST_AGAIN = "test again, or name the file of another program"


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
    spans: np.ndarray | None = None  # (N, 2) seconds that the clips show; nan: unknown
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # name -> N texts
    record: records.RunRecord = records.UNKNOWN

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
            "spans": None if self.spans is None else self.spans[rows],
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
    file = path / PREDICTIONS.replace("test", split, 1) if path.is_dir() else path
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise PredictionsError(_absent(path, file, split)) from None
    except OSError as error:
        raise PredictionsError(f"{printable(file)}: {error.strerror}") from error
    record = records.read_record(file.parent, split)
    if content[:1] == b"\x80" or content[:2] == b"PK":
        from timesformer.evaluation.report import foreign

        return foreign.read_pickled(file, content, record)
    return _Table(file, content, record).predictions()


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
    """Checked predictions of whatever a reader has found.

    Raises:
        PredictionsError: no video has scores, a score is not finite, labels do not fit.
    """
    where = printable(origin)
    if not len(scores):
        raise PredictionsError(f"{where}: no video has scores, so there is nothing to report")
    bad = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if len(bad):
        raise PredictionsError(
            f"{where}: {printable(paths[bad[0]])} has a score that is not a finite number (nan or "
            f"inf), as {len(bad)} of {len(scores)} videos; {_TEST_AGAIN}"
        )
    if labels.ndim == 1:
        outside = np.flatnonzero((labels < 0) | (labels >= scores.shape[1]))
        if len(outside):
            raise PredictionsError(
                f"{where}: {printable(paths[outside[0]])} has the label {labels[outside[0]]}, but "
                f"there are scores of the classes 0 .. {scores.shape[1] - 1}"
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


class _Table:
    """The CSV of a test while it is read."""

    def __init__(self, file: Path, content: bytes, record: records.RunRecord) -> None:
        self.file, self.content, self.record = file, content, record
        self.head = self._read_head()
        self.score_columns = self._score_columns()
        self.frame = self._read_frame()

    def _fail(self, problem: str) -> PredictionsError:
        return PredictionsError(f"{printable(self.file)}: {problem}")

    def _read_head(self) -> list[str]:
        try:
            text = self.content[: 1 << 24].decode("utf-8-sig", errors="replace")
            head = next(csv.reader(io.StringIO(text)), [])
        except csv.Error as error:
            raise self._fail(f"not a CSV: {error}; {_TEST_AGAIN}") from error
        missing = [name for name in ("path", "label") if name not in head]
        if missing:
            raise self._fail(
                f"no column {' and no column '.join(missing)} in its first line; predictions have the "
                "columns path, label, score_0, score_1, ..."
            )
        twice = [name for name, count in Counter(head).items() if count > 1]
        if twice:
            raise self._fail(f"two columns are called {printable(twice[0])}; remove one")
        return head

    def _score_columns(self) -> list[str]:
        there = {name for name in self.head if name.startswith("score_")}
        wanted = [f"score_{k}" for k in range(len(there))]
        lacking = [name for name in wanted if name not in there]
        if lacking or not wanted:
            raise self._fail(
                f"no column {lacking[0] if lacking else 'score_0'}; a report needs the score of every "
                "class, score_0, score_1, ..."
            )
        if len(wanted) < 2:
            raise self._fail("scores of 1 class; a report needs 2 or more")
        return wanted

    def _read_frame(self) -> Any:
        import pandas as pd

        scores = dict.fromkeys(self.score_columns, np.float64)
        texts = {name: str for name in self.head if name not in scores}
        options: dict[str, Any] = {
            "keep_default_na": False,
            "na_values": {name: ["", "nan", "NaN"] for name in scores},
            "encoding_errors": "surrogateescape",
            "low_memory": False,
        }
        source = io.BytesIO(self.content)
        try:
            return pd.read_csv(source, dtype={**scores, **texts}, index_col=False, **options)
        except ValueError as error:  # also of lines with too many cells
            raise self._fail(self._wrong_cell() or f"not a CSV: {error}; {_TEST_AGAIN}") from error

    def _wrong_cell(self) -> str:
        """The first line that has too many cells, or a score that is not a number."""
        text = self.content.decode("utf-8-sig", errors="replace")
        for number, row in enumerate(csv.reader(io.StringIO(text)), start=1):
            if len(row) > len(self.head):
                return f"line {number} has {len(row)} cells, the first line has {len(self.head)}"
            for name, cell in zip(self.head, row, strict=False):
                if number > 1 and name.startswith("score_") and not _is_number(cell):
                    return f"line {number}: {name} is {printable(cell)!r}, which is not a number"
        return ""

    def _texts(self, name: str) -> list[str]:
        return [original(cell) for cell in self.frame[name].tolist()]

    def predictions(self) -> Predictions:
        frame = self.frame
        scores = frame[self.score_columns].to_numpy(dtype=np.float64)
        errors = self._texts("error") if "error" in self.head else [""] * len(frame)
        failed = np.array([bool(text) for text in errors], dtype=bool)
        paths = self._texts("path")
        rows = np.flatnonzero(~failed)
        keys = self._keys(paths, failed)
        others = [name for name in self.head if name not in (*_KNOWN, *self.score_columns)]
        return assemble(
            self.file,
            self.content,
            self.record,
            paths=[paths[i] for i in rows],
            keys=[keys[i] for i in rows],
            labels=self._labels(rows),
            scores=scores[rows],
            predicted=self._predicted(rows),
            names=self._names(),
            failures=tuple((keys[i], errors[i]) for i in np.flatnonzero(failed)),
            spans=self._spans()[rows] if SPAN[0] in self.head and SPAN[1] in self.head else None,
            columns={name: tuple(np.array(self._texts(name), object)[rows]) for name in others},
        )

    def _keys(self, paths: list[str], failed: np.ndarray) -> list[str]:
        """A row of a path again is another part of that file, or an error."""
        counts = Counter(paths)
        if len(counts) == len(paths):
            return paths
        parts = Counter(
            (path, *map(str, self._spans()[i]))
            for i, path in enumerate(paths)
            if counts[path] > 1 and not failed[i]
        )
        again = [part[0] for part, count in parts.items() if count > 1]
        if again:
            raise self._fail(
                f"two rows of one path, {printable(again[0])}; every video counts once, so remove one"
            )
        seen: Counter[str] = Counter()
        keys = []
        for path in paths:
            seen[path] += 1
            keys.append(path if counts[path] == 1 else f"{path} ({seen[path]} of {counts[path]})")
        return keys

    def _spans(self) -> np.ndarray:
        """(rows, 2) seconds, nan where the file does not say."""
        spans = np.full((len(self.frame), 2), np.nan)
        for place, name in enumerate(SPAN[:2]):
            if name in self.head:
                cells = self.frame[name].tolist()
                spans[:, place] = [float(cell) if _is_number(cell) else np.nan for cell in cells]
        return spans

    def _labels(self, rows: np.ndarray) -> np.ndarray:
        cells = self.frame["label"].tolist()
        several = self.record.is_multi_label
        if several is None:
            several = any(";" in cell for cell in cells)
        try:
            found = [[int(part) for part in cells[i].split(";") if part.strip()] for i in rows]
        except ValueError as error:
            raise self._fail(f"a label is not a number: {error}; labels are 0, 1, ...") from error
        num_classes = len(self.score_columns)
        if not several:
            for i, labels in zip(rows, found, strict=True):
                if len(labels) != 1:
                    raise self._fail(f"line {i + 2} has no label; every video needs one")
            return np.array(found, dtype=np.int64).reshape(-1)
        hot = np.zeros((len(rows), num_classes), dtype=bool)
        for row, labels in zip(hot, found, strict=True):
            wrong = [label for label in labels if not 0 <= label < num_classes]
            if wrong:
                raise self._fail(
                    f"the label {wrong[0]}, but there are scores of the classes 0 .. {num_classes - 1}"
                )
            row[labels] = True
        return hot

    def _predicted(self, rows: np.ndarray) -> np.ndarray | None:
        if "prediction" not in self.head:
            return None
        cells = self.frame["prediction"].tolist()
        try:
            return np.array([int(cells[i]) for i in rows], dtype=np.int64)
        except ValueError as error:
            raise self._fail(f"a prediction is not the number of a class: {error}") from error

    def _names(self) -> tuple[str, ...]:
        """Of all classes: those of test_classes.csv, else those that videos have."""
        num_classes = len(self.score_columns)
        if len(self.record.class_names) == num_classes:
            return self.record.class_names
        known: dict[int, str] = {}
        for number, name in (("label", "label_name"), ("prediction", "prediction_name")):
            if name in self.head and number in self.head:
                pairs = zip(self.frame[number].tolist(), self._texts(name), strict=True)
                known |= {int(k): text for k, text in set(pairs) if k.isdecimal() and text}
        if not known:
            return ()
        return tuple(known.get(k, f"class {k}") for k in range(num_classes))


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True
