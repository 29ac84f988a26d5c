"""One line of a list: path, labels, and the part of the file that counts.

path label              /videos/a b.mp4 3
path label start end    /videos/long.mp4 3 12.5 20.0      (seconds)
path label;label        /videos/a.mp4 3;7;12              (DATA.MULTI_LABEL)
"path" label            "/videos/say ""hi"".mp4",3        (quoted as Python's csv and pandas do)
"""

import csv
import os
import re
from math import isnan, nan
from typing import NamedTuple

from timesformer.datasets.folders import VIDEO_SUFFIXES
from timesformer.datasets.list_text import ListError, shown
from timesformer.io.terminal import printable

ONE_CHARACTER = ",\t ;|:"  # separators that csv rules are for

_LABELS = re.compile(r"[ \t]*-?\d+(?:;-?\d+)*[ \t]*")
_SECONDS = re.compile(r"[ \t]*\d+(?:\.\d*)?[ \t]*")
_LINE = re.compile(r"(?P<path>.*[^\s,])[\s,]+(?P<labels>-?\d+(?:;-?\d+)*)", re.DOTALL)
_TIMES = re.compile(
    r"(?P<rest>.*[^\s,])[\s,]+(?P<start>\d+(?:\.\d*)?)[\s,]+(?P<end>\d+(?:\.\d*)?)", re.DOTALL
)


class ListRow(NamedTuple):
    """One line of a list; times are nan where the line has none."""

    path: str
    labels: tuple[int, ...]
    start: float
    end: float


def parse_row(line: str, separator: str, where: str) -> ListRow:
    """The columns of ``line``; ``where`` is its file and number.

    A line that is a row by the rules of Python's csv module is that row. Otherwise a path may hold
    blanks and commas without quotes. Two last columns are times if both have a decimal point, or if
    the path before them and the label ends as video files do; otherwise they are taken for a label
    and a part of the path.

    Raises:
        ListError: not a path and a whole number.
    """
    row = _by_cells(line, separator) or _by_pattern(line.strip(), separator)
    if row is None:
        raise ListError(
            f"{where}: {shown(line)} is not `path label`; write a path, a blank, tab or comma "
            "(or DATA.PATH_LABEL_SEPARATOR), and a whole number"
        )
    return row


def split_cells(line: str, delimiter: str) -> list[str]:
    """The columns of one line by csv rules; none if a quote stands where these allow none."""
    if delimiter not in line:
        return []
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return []


def quote(path: str) -> str:
    """``path`` as a quoted column."""
    return '"' + path.replace('"', '""') + '"'


def unquote(text: str) -> str:
    """A column without its quotes, if it is quoted by the rules; a lone quote mark is a character."""
    inner = text[1:-1]
    if len(text) > 1 and text[0] == text[-1] == '"' and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"')
    return text


def _by_cells(line: str, separator: str) -> ListRow | None:
    """The row that the csv module finds: two columns, or four with times."""
    for delimiter in _delimiters(separator):
        path, *rest = split_cells(line, delimiter) or [""]
        labels = _labels(rest[0]) if path.strip(" \t,") and len(rest) in (1, 3) else ()
        if not labels:
            continue
        if len(rest) == 1 and (delimiter == "," or rest[0] == rest[0].strip()):
            return ListRow(path, labels, nan, nan)
        timed = len(rest) == 3 and all(map(_SECONDS.fullmatch, rest[1:]))
        if timed and (line.startswith('"') or _has_times(path, line)):
            return ListRow(path, labels, float(rest[1]), float(rest[2]))
    return None


def _delimiters(separator: str) -> str:
    if separator in ("", " "):
        return ",\t "
    return separator if separator in ONE_CHARACTER else ""


def _by_pattern(line: str, separator: str) -> ListRow | None:
    """The row of a line whose path holds separators without being quoted."""
    rest, start, end = _split_times(line, separator)
    for text, times in ((rest, (start, end)), (line, (nan, nan))):
        path, labels = _split_label(text, separator)
        if path and labels and (isnan(times[0]) or _has_times(path, line)):
            return ListRow(path, labels, *times)
    return None


def _split_times(line: str, separator: str) -> tuple[str, float, float]:
    """``line`` without its last two columns, and those as numbers; nan if they are none."""
    if separator not in ("", " "):
        line = " ".join(line.rsplit(separator, 2)) if line.count(separator) > 2 else ""
    match = _TIMES.fullmatch(line)
    if not match:
        return "", nan, nan
    return match["rest"], float(match["start"]), float(match["end"])


def _has_times(path: str, line: str) -> bool:
    """Whether the last two columns of ``line`` are times, and not part of a path with blanks."""
    decimal = all("." in column for column in re.split(r"[^\d.]+", line.strip())[-2:])
    return decimal or os.path.splitext(path)[1].lower() in VIDEO_SUFFIXES


def _split_label(text: str, separator: str) -> tuple[str, tuple[int, ...]]:
    """Path and labels of ``path label``; nothing if that is not what ``text`` is."""
    if separator in ("", " "):
        match = _LINE.fullmatch(text)
        path, labels = (match["path"], match["labels"]) if match else ("", "")
    else:
        path, _, labels = text.rpartition(separator)
    return unquote(path.strip()), _labels(unquote(labels.strip()))


def _labels(text: str) -> tuple[int, ...]:
    """The whole numbers of a column, none if it holds anything else."""
    try:
        return tuple(map(int, text.split(";"))) if _LABELS.fullmatch(text) else ()
    except ValueError:  # of more digits than Python takes
        return ()


def check_row(row: ListRow, num_classes: int, *, multi_label: bool, where: str) -> None:
    """Raise a ListError if ``row`` has a label or times that cannot be, or too many labels."""
    for label in row.labels:
        check_label(label, num_classes, where)
    if len(row.labels) > 1 and not multi_label:
        raise ListError(
            f"{where}: {printable(row.path)} has {len(row.labels)} labels; set DATA.MULTI_LABEL "
            "True, or leave one"
        )
    if row.start >= row.end:
        raise ListError(
            f"{where}: the part from {row.start:g} to {row.end:g} seconds holds nothing; write "
            "`path label start end` with start before end"
        )


def check_label(label: int, num_classes: int, where: str) -> None:
    """Raise a ListError if ``label`` is not in 0 .. num_classes - 1."""
    if not 0 <= label < num_classes:
        raise ListError(
            f"{where}: label {label} is outside 0 .. {num_classes - 1}; set MODEL.NUM_CLASSES to the "
            "number of classes, or correct the label"
        )
