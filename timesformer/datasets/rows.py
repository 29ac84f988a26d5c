"""One line of a list: path, labels, and the part of the file that counts.

path label              /videos/a b.mp4 3
path label start end    /videos/long.mp4 3 12.5 20.0      (seconds)
path label;label        /videos/a.mp4 3;7;12              (DATA.MULTI_LABEL)
"""

import os
import re
from collections.abc import Iterator
from math import isnan, nan
from pathlib import Path
from typing import NamedTuple

from timesformer.datasets.folders import VIDEO_SUFFIXES
from timesformer.errors import InputError

_LINE = re.compile(r"(?P<path>.*[^\s,])[\s,]+(?P<labels>-?\d+(?:;-?\d+)*)")  # blank, tab or comma
_TIMES = re.compile(r"(?P<rest>.*[^\s,])[\s,]+(?P<start>\d+(?:\.\d*)?)[\s,]+(?P<end>\d+(?:\.\d*)?)")


class ListError(InputError, ValueError):
    """An annotation list that cannot be used; the message names file, line, rule and remedy."""


class Row(NamedTuple):
    """One line of a list; times are nan where the line has none."""

    path: str
    labels: tuple[int, ...]
    start: float
    end: float


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines with something on them; a byte-order mark is dropped."""
    if not path.is_file():
        raise ListError(
            f"list {path} does not exist; put it there, or set DATA.PATH_TO_DATA_DIR to the folder "
            "of train.csv, val.csv and test.csv"
        )
    try:
        data = path.read_bytes()
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise ListError(f"list {path} is UTF-16, as PowerShell's > writes; save it as UTF-8")
        text = data.decode("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise ListError(f"list {path} cannot be read: {error}") from error
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if line and not line.startswith("#"):
            yield number, line


def parse_row(line: str, separator: str, where: str) -> Row:
    """The columns of ``line``; ``where`` is its file and number.

    Two last columns are times if both have a decimal point, or if the path before them and the
    label ends as video files do; otherwise they are taken for a label and a part of the path.

    Raises:
        ListError: not a path and a whole number.
    """
    rest, start, end = _split_times(line, separator)
    for text, times in ((rest, (start, end)), (line, (nan, nan))):
        path, labels = _split_label(text, separator)
        if path and labels and (isnan(times[0]) or _has_times(path, line)):
            return Row(path, labels, *times)
    raise ListError(
        f"{where}: {line[:120]!r} is not `path label`; write a path, a blank, tab or comma "
        "(or DATA.PATH_LABEL_SEPARATOR), and a whole number"
    )


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
    decimal = all("." in column for column in re.split(r"[^\d.]+", line)[-2:])
    return decimal or os.path.splitext(path)[1].lower() in VIDEO_SUFFIXES


def _split_label(text: str, separator: str) -> tuple[str, tuple[int, ...]]:
    """Path and labels of ``path label``; nothing if that is not what ``text`` is."""
    if separator in ("", " "):
        match = _LINE.fullmatch(text)
        path, labels = (match["path"], match["labels"]) if match else ("", "")
    else:
        path, _, labels = text.rpartition(separator)
    path = path.strip()
    if len(path) > 1 and path[0] == path[-1] == '"':
        path = path[1:-1]
    try:
        return path, tuple(int(label) for label in labels.split(";"))
    except ValueError:
        return "", ()


def check_row(row: Row, num_classes: int, *, multi_label: bool, where: str) -> None:
    """Raise a ListError if ``row`` has a label or times that cannot be, or too many labels."""
    for label in row.labels:
        check_label(label, num_classes, where)
    if len(row.labels) > 1 and not multi_label:
        raise ListError(
            f"{where}: {row.path} has {len(row.labels)} labels; set DATA.MULTI_LABEL True, or leave one"
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
