"""The CSV of a test to predictions; every line and cell that is wrong is named.

    path,label,prediction,error,label_name,prediction_name,start_seconds,...,score_0,score_1,...

Columns may have any order; ``path``, ``label`` and the scores are enough. Every other column is kept as
text, for groups.
"""

import csv
import io
import math
import re
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from timesformer.evaluation.report.predictions import (
    TEST_AGAIN,
    Predictions,
    PredictionsError,
    assemble,
    outside_classes,
)
from timesformer.evaluation.report.records import RunRecord
from timesformer.io.spreadsheet import original
from timesformer.io.terminal import printable

SPAN = ("start_seconds", "end_seconds", "duration_seconds")
_KNOWN = ("path", "label", "prediction", "error", "label_name", "prediction_name", *SPAN)
_SCORE = re.compile(r"score_(0|[1-9][0-9]*)")
_MOST_HEAD = 1 << 24  # bytes of the first line
_SHOWN = 6  # columns in an error message


def read_table(file: Path, content: bytes, record: RunRecord) -> Predictions:
    """The predictions of a CSV.

    Args:
        file: where it is.
        content: its bytes.
        record: what the folder says of the run.

    Raises:
        PredictionsError: it is not such a CSV, or a cell is wrong.
    """
    return _Table(file, content, record).predictions()


class _Table:
    """The CSV of a test while it is read."""

    def __init__(self, file: Path, content: bytes, record: RunRecord) -> None:
        self.file, self.content, self.record = file, content, record
        self.head = self._read_head()
        self.score_columns = self._score_columns()
        self.frame = self._read_frame()
        self.paths = self._texts("path")
        has_errors = "error" in self.head
        self.errors = self._texts("error") if has_errors else [""] * len(self.paths)
        self.failed = np.array([bool(text) for text in self.errors], dtype=bool)

    def _fail(self, problem: str) -> PredictionsError:
        return PredictionsError(f"{printable(self.file)}: {problem}")

    def _read_head(self) -> list[str]:
        try:
            text = self.content[:_MOST_HEAD].decode("utf-8-sig", errors="replace")
            head = next(csv.reader(io.StringIO(text, newline="")), [])
        except csv.Error as error:
            raise self._fail(f"not a CSV: {error}; {TEST_AGAIN}") from error
        missing = [name for name in ("path", "label") if name not in head]
        if missing:
            shown = ", ".join(printable(name[:40]) for name in head[:_SHOWN])
            more = ", ..." * (len(head) > _SHOWN)
            raise self._fail(
                f"no column {' and no column '.join(missing)} in its first line ({shown}{more}); "
                "predictions have the columns path, label, score_0, score_1, ..., with commas between"
            )
        twice = [name for name, count in Counter(head).items() if count > 1]
        if twice:
            raise self._fail(f"two columns are called {printable(twice[0])}; remove one")
        return head

    def _score_columns(self) -> list[str]:
        there = {name for name in self.head if _SCORE.fullmatch(name)}
        wanted = [f"score_{k}" for k in range(len(there))]
        lacking = [name for name in wanted if name not in there]
        if lacking or not wanted:
            raise self._fail(
                f"no column {lacking[0] if lacking else 'score_0'}; a report needs the score of every "
                "class, score_0, score_1, ..."
            )
        if len(wanted) < 2:
            raise self._fail("scores of 1 class; a report needs those of 2 or more")
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
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)  # cells that are left out
                frame = pd.read_csv(source, dtype={**scores, **texts}, index_col=False, **options)
        except (ValueError, pd.errors.ParserWarning) as error:
            problem = self._wrong_line() or f"not a CSV: {str(error).strip()}; {TEST_AGAIN}"
            raise self._fail(problem) from error
        last = frame[self.head[-1]]
        blank = last.isna() | (last == "")  # also where a short line lacks its last cell
        if "error" in self.head:
            blank &= frame["error"] == ""
        if blank.any() and (problem := self._wrong_line()):
            raise self._fail(problem)
        return frame

    def _wrong_line(self) -> str:
        """The first line with too few or too many cells, or with a score that is not a number."""
        text = self.content.decode("utf-8-sig", errors="replace")
        reader = csv.reader(io.StringIO(text, newline=""))
        places = [i for i, name in enumerate(self.head) if _SCORE.fullmatch(name)]
        try:
            next(reader)
            for row in filter(None, reader):
                line = f"line {reader.line_num}"
                if len(row) != len(self.head):
                    cut = "; the file may be cut off" * (len(row) < len(self.head))
                    return (
                        f"{line} has {len(row)} cells, the first line has {len(self.head)}{cut}; "
                        f"{TEST_AGAIN}"
                    )
                for i in places:
                    if _number(row[i]) is None:
                        cell = printable(row[i][:40])
                        return f"{line}: {self.head[i]} is {cell!r}, which is not a number"
        except csv.Error as error:
            return f"line {reader.line_num} is not one of a CSV: {error}; {TEST_AGAIN}"
        return ""

    def _texts(self, name: str) -> list[str]:
        return [original(cell) for cell in self.frame[name].tolist()]

    def predictions(self) -> Predictions:
        failed = np.flatnonzero(self.failed)
        rows = np.flatnonzero(~self.failed)
        scores = self.frame[self.score_columns].to_numpy(dtype=np.float64)
        contradictory = failed[~np.isnan(scores[failed]).all(axis=1)]
        if len(contradictory):
            path = printable(self.paths[contradictory[0]])
            raise self._fail(f"{path} has an error and scores too; leave one of them blank")
        keys, labels, spans = self._keys(), self._labels(), self._spans()
        others = [name for name in self.head if name not in (*_KNOWN, *self.score_columns)]
        return assemble(
            self.file,
            self.content,
            self.record,
            paths=[self.paths[i] for i in rows],
            keys=[keys[i] for i in rows],
            labels=labels[rows],
            scores=scores[rows],
            predicted=self._predicted(rows),
            names=self._names(),
            failures=tuple((keys[i], self.errors[i]) for i in failed),
            failed_paths=tuple(self.paths[i] for i in failed),
            failed_labels=labels[failed],
            places=rows,
            spans=spans[rows, :2] if {*SPAN[:2]} <= {*self.head} else None,
            durations=spans[rows, 2] if SPAN[2] in self.head else None,
            columns={name: tuple(np.array(self._texts(name), object)[rows]) for name in others},
        )

    def _keys(self) -> list[str]:
        """A row of a path again is another part of that file, or an error."""
        counts = Counter(self.paths)
        if "" in counts:
            raise self._fail(f"row {self.paths.index('') + 1} has no path; every video needs one")
        if len(counts) == len(self.paths):
            return self.paths
        spans = self._spans()
        parts = Counter(
            (path, *map(str, spans[i, :2]))
            for i, path in enumerate(self.paths)
            if counts[path] > 1 and not self.failed[i]
        )
        again = [part[0] for part, count in parts.items() if count > 1]
        if again:
            raise self._fail(
                f"two rows of one path, {printable(again[0])}; every video counts once, so remove one"
            )
        seen: Counter[str] = Counter()
        keys = []
        for path in self.paths:
            seen[path] += 1
            keys.append(path if counts[path] == 1 else f"{path} ({seen[path]} of {counts[path]})")
        return keys

    def _spans(self) -> np.ndarray:
        """(rows, 3) seconds, nan where the file does not say."""
        spans = np.full((len(self.frame), 3), np.nan)
        for place, name in enumerate(SPAN):
            if name in self.head:
                found = map(_number, self.frame[name].tolist())
                spans[:, place] = [math.nan if seconds is None else seconds for seconds in found]
        return spans

    def _labels(self) -> np.ndarray:
        """(rows,) int64; (rows, K) bool if videos have several labels."""
        cells = self.frame["label"].tolist()
        found = [self._label(path, cell) for path, cell in zip(self.paths, cells, strict=True)]
        if self.record.is_multi_label or any(";" in cell for cell in cells):
            hot = np.zeros((len(cells), len(self.score_columns)), dtype=bool)
            for row, labels in zip(hot, found, strict=True):
                row[labels] = True
            return hot
        for path, labels in zip(self.paths, found, strict=True):
            if not labels:
                raise self._fail(f"{printable(path)} has no label; every video needs one")
        return np.array(found, dtype=np.int64).reshape(-1)

    def _label(self, path: str, cell: str) -> list[int]:
        """The classes of one video."""
        try:
            labels = [int(part) for part in cell.split(";") if part.strip()]
        except ValueError:
            raise self._fail(
                f"{printable(path)} has the label {printable(cell[:40])!r}; a label is the number of "
                "a class, 0, 1, ..., several are 3;7"
            ) from None
        for label in labels:
            if not 0 <= label < len(self.score_columns):
                raise self._fail(outside_classes(path, label, len(self.score_columns)))
        return labels

    def _predicted(self, rows: np.ndarray) -> np.ndarray | None:
        """(rows,) int64, None if the file does not say."""
        cells = self.frame["prediction"].tolist() if "prediction" in self.head else []
        if not any(cells[i] for i in rows if cells):
            return None
        for i in rows:
            if not re.fullmatch("[0-9]{1,9}", cells[i]):
                raise self._fail(
                    f"{printable(self.paths[i])} has the prediction {printable(cells[i][:40])!r}, which "
                    "is not the number of a class; correct it, or remove the column"
                )
        return np.array([int(cells[i]) for i in rows], dtype=np.int64)

    def _names(self) -> tuple[str, ...]:
        """Of all classes: those of test_classes.csv, else those that videos have."""
        num_classes = len(self.score_columns)
        if len(self.record.class_names) == num_classes:
            return self.record.class_names
        known: dict[int, str] = {}
        for number, name in (("label", "label_name"), ("prediction", "prediction_name")):
            if name in self.head and number in self.head:
                pairs = zip(self.frame[number].tolist(), self._texts(name), strict=True)
                for label, text in dict.fromkeys(pairs):
                    if label.isdecimal() and text:
                        known.setdefault(int(label), text)
        if not known:
            return ()
        return tuple(known.get(k, f"class {k}") for k in range(num_classes))


def _number(cell: str) -> float | None:
    """Not a number (nan) of a blank cell, None of one that is not a number."""
    try:
        return None if "_" in cell else float(cell or "nan")
    except ValueError:
        return None
