"""Tables of videos and labels as clips: CSV with a header, and lists whose labels need work."""

import os
from collections.abc import Iterator, Sequence
from math import isnan, nan
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from timesformer.datasets.annotations import SPLIT_NAMES, AnnotatedClip, Annotations, Source
from timesformer.datasets.class_names import class_names, names_beside
from timesformer.datasets.list_advice import (
    DELIMITERS,
    LABEL_COLUMNS,
    PATH_COLUMNS,
    explain_encoding,
    named_row,
)
from timesformer.datasets.list_lines import parse_row
from timesformer.datasets.list_paths import locate
from timesformer.datasets.list_text import ListError, is_utf_8, numbered_lines, read_text, shown
from timesformer.io.spreadsheet import original


class Labelled(NamedTuple):
    """A row of a table: labels as they are written, numbers or names."""

    path: str
    labels: tuple[str, ...]
    split: str
    start: float = nan
    end: float = nan
    where: str = ""


def read_csv(source: Source) -> Annotations:
    """CSV with a header: a column of paths (path, file, video, ...), one of labels, and split.

    Labels are whole numbers, or names that are numbered in sorted order; split is optional, and so
    are files for each split (--train, --val, --test).
    """
    rows: list[Labelled] = []
    names = source.class_names
    for split, path in _files(source, "--annotations FILE, one or several, or --train FILE"):
        table = read_table(path, (), encoding=source.encoding)
        name, label = (_column(table, each, path) for each in (PATH_COLUMNS, LABEL_COLUMNS))
        if label.strip().lower() == "k400_index":
            names = names or class_names("kinetics400")
        splits = table["split"].map(split_name) if "split" in table and not split else split
        table = table.assign(**{"split": splits})
        rows += [
            Labelled(_locate(source, row[name], path), (row[label].strip(),), row["split"])
            for row in table.to_dict("records")
        ]
    return _annotations(rows, source, names)


def read_list(source: Source) -> Annotations:
    """Lists of lines ``path label`` that cannot be used as they are, for each split or one.

    Of another encoding (--encoding), with names for labels, or labels from 1 (--first-label 1).
    """
    rows: list[Labelled] = []
    names = source.class_names
    for split, path in _files(source, "--train FILE, --val FILE and --test FILE"):
        rows += _list_rows(source, path, split)
        names = names or names_beside(path)
    return _annotations(rows, source, names)


def read_table(path: Path, columns: Sequence[str], *, encoding: str = "utf-8") -> pd.DataFrame:
    """All columns of a CSV file as text."""
    if not path.is_file():
        raise ListError(f"annotation file {path} does not exist; check --annotations")
    header = next((line for _, line in numbered_lines(path, encoding=encoding)), "")
    read_text(path, encoding)  # says what is wrong with an encoding
    try:
        table = pd.read_csv(
            path,
            sep=max(DELIMITERS[:3], key=header.count),
            dtype=str,
            keep_default_na=False,
            skipinitialspace=True,
            encoding="utf-8-sig" if encoding == "utf-8" else encoding,
            encoding_errors="surrogateescape",
        )
    except (ValueError, OSError) as error:
        raise ListError(f"{path} is not a CSV file: {error}") from error
    if absent := [column for column in columns if column not in table]:
        raise ListError(f"{path} has no column {', '.join(absent)}; it has {', '.join(table)}")
    return table


def split_name(name: str) -> str:
    """train, val or test for what a column calls it."""
    key = name.strip().lower()
    if key not in SPLIT_NAMES:
        raise ListError(
            f"split {name!r} is not one of {', '.join(SPLIT_NAMES)}; correct the column"
        )
    return SPLIT_NAMES[key]


class LabelNumbers:
    """Class name -> label, with an error for other names."""

    def __init__(self, names: Sequence[str]) -> None:
        self._labels = {name: label for label, name in enumerate(names)}

    def __call__(self, name: str, where: str = "") -> int:
        if name not in self._labels:
            known = ", ".join(list(self._labels)[:3])
            raise ListError(
                f"{where + ': ' if where else ''}{name!r} is not one of the {len(self._labels)} "
                f"classes ({known}, ...); correct it, or pass other class names"
            )
        return self._labels[name]


def _list_rows(source: Source, path: Path, split: str) -> Iterator[Labelled]:
    def exists(line: str) -> bool:
        try:
            return Path(_locate(source, parse_row(line, " ", "").path, path)).is_absolute()
        except ListError:
            return False

    for number, line in numbered_lines(path, encoding=source.encoding, is_row=exists):
        where = f"{path}:{number}"
        try:
            name, numbers, start, end = parse_row(line, " ", where)
            labels = tuple(map(str, numbers))
        except ListError:
            named = named_row(line)
            if not named:
                raise ListError(
                    f"{where}: {shown(line)} is neither `path label` nor `path name`; write a path, "
                    "a comma or blank, and a number or name"
                ) from None
            name, labels, start, end = named[0], named[1:], nan, nan
        found = _locate(source, name, path)
        if not is_utf_8(line) and not Path(found).is_absolute():
            raise ListError(f"{where}: {explain_encoding(path, line, str(source.videos.root))}")
        yield Labelled(found, tuple(labels), split, start, end, where)


def _annotations(rows: Sequence[Labelled], source: Source, names: Sequence[str]) -> Annotations:
    """Clips with numbers for labels; names of classes are numbered in sorted order."""
    texts = [text for row in rows for text in row.labels]
    numbers = all(text.lstrip("-").isdigit() for text in texts)
    if not numbers and not names:
        names = tuple(sorted(set(texts)))
    number_of = LabelNumbers(names)
    clips = []
    for row in rows:
        labels = []
        for text in row.labels:
            is_number = text.lstrip("-").isdigit() and text not in names
            label = int(text) - source.first_label if is_number else number_of(text, row.where)
            if label < 0:
                raise ListError(
                    f"{row.where or row.path}: label {text} is below {source.first_label}; labels "
                    "count from --first-label"
                )
            labels.append(label)
        part = {} if isnan(row.start) else {"whole": row.path, "start": row.start, "end": row.end}
        clips.append(AnnotatedClip(row.path, tuple(labels), row.split, **part))  # type: ignore[arg-type]
    return Annotations(clips, tuple(names))


def _files(source: Source, what: str) -> list[tuple[str, Path]]:
    """(split or empty, file) of all files of a source."""
    files = [("", path) for path in source.annotations] + list(source.lists.items())
    if not files:
        raise ListError(f"this format needs {what}")
    return files


def _locate(source: Source, name: str, file: Path) -> str:
    """``name`` as an absolute path if it lies under the videos, here or beside ``file``."""
    for form in (name, name.strip(), original(name)):
        for prefix in (str(source.videos.root), ""):
            found = locate(form, prefix, file.parent)
            if os.path.exists(found):
                return os.path.abspath(found)
    return name


def _column(table: pd.DataFrame, choices: Sequence[str], path: Path) -> str:
    given = {str(column).strip().lower(): str(column) for column in table}
    for name in choices:
        if name in given:
            return given[name]
    raise ListError(f"{path} has no column {' or '.join(choices[:4])}; it has {', '.join(table)}")
