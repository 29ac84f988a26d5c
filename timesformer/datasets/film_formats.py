"""Annotations of long films by others: ActivityNet JSON, THUMOS14, EPIC-KITCHENS; text only.

A parser gets a ``Source`` and returns ``FilmAnnotations``. Add a format by a function and a row of
``FILM_FORMATS``.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from timesformer.datasets.activitynet import is_number, labelled_part, read_database
from timesformer.datasets.annotation_tables import read_table
from timesformer.datasets.annotations import Source
from timesformer.datasets.film_via import read_via
from timesformer.datasets.films import (
    AnnotatedFilm,
    FilmAnnotations,
    FilmSegment,
    film_segment,
    film_split,
    ordered_names,
)
from timesformer.datasets.list_text import ListError, numbered_lines, shown
from timesformer.io.terminal import printable

UNCERTAIN = "Ambiguous"  # THUMOS14: what may be an action or not
_THUMOS_FILE = re.compile(r"(?P<label>.+)_(?P<subset>val|validation|test)\.txt")
# THUMOS14 trains on its validation films: its training videos are trimmed.
_THUMOS_SPLITS = {"val": "train", "validation": "train", "test": "test"}


def read_activitynet(source: Source) -> FilmAnnotations:
    """ActivityNet JSON; also of HACS, FineAction, and THUMOS14 as others convert it.

    Films of the subset for testing that have no annotation are left out: theirs are withheld.
    """
    films: dict[str, AnnotatedFilm] = {}
    for path in _files(source):
        for name, entry in read_database(path).items():
            film = _film(path, name, entry, source)
            if film.split != "test" or film.segments:
                films[name] = film
    return _named(list(films.values()), source)


def read_thumos14(source: Source) -> FilmAnnotations:
    """THUMOS14: a folder of ``<class>_val.txt`` and ``<class>_test.txt``: ``name start end``.

    The films of val are for training, those of test for testing. Ambiguous is not a class; those
    seconds are no background either.
    """
    folder = _folder(source, "<class>_val.txt and <class>_test.txt")
    matches = [_THUMOS_FILE.fullmatch(path.name) for path in sorted(folder.glob("*.txt"))]
    found = [match for match in matches if match]
    if not found:
        raise ListError(
            f"{folder} has no file <class>_val.txt or <class>_test.txt; check --annotations"
        )
    segments: dict[tuple[str, str], list[FilmSegment]] = defaultdict(list)
    for match in found:
        path = folder / match.string
        for number, line in numbered_lines(path, encoding=source.encoding):
            fields = line.split()
            if len(fields) != 3:
                raise ListError(f"{path}:{number}: {shown(line)} is not `name start end`")
            segment = film_segment(match["label"], *fields[1:], where=f"{path}:{number}")
            segments[fields[0], _THUMOS_SPLITS[match["subset"]]].append(segment)
    films = []
    for (name, split), of_film in sorted(segments.items()):
        actions = tuple(each for each in of_film if each.label != UNCERTAIN)
        ignored = tuple(each for each in of_film if each.label == UNCERTAIN)
        films.append(AnnotatedFilm(name, split, actions, ignored))
    return _named(films, source)


def read_epic(source: Source) -> FilmAnnotations:
    """CSV as of EPIC-KITCHENS: video_id, start_timestamp, stop_timestamp (H:M:S), verb and noun.

    ``source.label`` says which of the two is the class. Its number is the column verb_class where
    there is one; the name of a number is that of ``*verb_classes*.csv`` beside the file, else the
    most frequent text.
    """
    label = source.label or "verb"
    files = [("", path) for path in source.annotations] + list(source.lists.items())
    if not files:
        raise ListError("this format needs --train FILE and --val FILE, or --annotations FILE")
    columns = ("video_id", "start_timestamp", "stop_timestamp", label)
    tables = [(s, path, read_table(path, columns, encoding=source.encoding)) for s, path in files]
    number = f"{label}_class"
    numbered = all(number in table for _, _, table in tables)
    rows = [
        (split, f"{path}, row {i}", row)
        for split, path, table in tables
        for i, row in enumerate(table.to_dict("records"), start=1)
    ]
    names = source.class_names
    if numbered and not names:
        names = _numbered_names(rows, label, _names_of_numbers(files[0][1].parent, label))
    segments: dict[tuple[str, str], list[FilmSegment]] = defaultdict(list)
    for split, where, row in rows:
        text = _name(row[number], names, where) if numbered else row[label].strip()
        times = (_seconds(row[each]) for each in columns[1:3])
        segments[row["video_id"].strip(), split].append(film_segment(text, *times, where=where))
    films = [AnnotatedFilm(name, split, tuple(each)) for (name, split), each in segments.items()]
    return FilmAnnotations(films, names) if names else _named(films, source)


FILM_FORMATS: dict[str, Callable[[Source], FilmAnnotations]] = {
    "activitynet": read_activitynet,
    "thumos14": read_thumos14,
    "epic": read_epic,
    "via": read_via,
}


def _film(path: Path, name: str, entry: Mapping[str, Any], source: Source) -> AnnotatedFilm:
    where = f"{printable(path)}: {printable(name)}"
    split = film_split(str(entry.get("subset", "")), source, where=where)
    parts = [labelled_part(path, name, each) for each in entry.get("annotations", [])]
    segments = tuple(film_segment(*part, where=where) for part in parts)
    seconds: Any = entry.get("duration")
    known = is_number(seconds) and math.isfinite(seconds)
    return AnnotatedFilm(name, split, segments, (), float(seconds) if known else math.nan)


def _names_of_numbers(folder: Path, label: str) -> dict[int, str]:
    """Number -> name, from EPIC's table of classes in ``folder``; empty if there is none."""
    for path in sorted(folder.glob(f"*{label}_classes*.csv")):
        table = read_table(path, ())
        number = next((c for c in ("id", f"{label}_id") if c in table), None)
        name = next((c for c in ("key", "class_key") if c in table), None)
        if number and name:
            return {int(n): str(text) for n, text in zip(table[number], table[name], strict=True)}
    return {}


def _numbered_names(
    rows: list[tuple[str, str, dict[str, str]]], label: str, known: Mapping[int, str]
) -> tuple[str, ...]:
    """The name of every number from 0 to the highest."""
    texts: dict[int, Counter[str]] = defaultdict(Counter)
    for _, where, row in rows:
        texts[_number(row[f"{label}_class"], where)][row[label].strip()] += 1
    names: list[str] = []
    for number in range(max([*texts, *known], default=-1) + 1):
        frequent = texts[number].most_common(1)[0][0] if number in texts else f"{label} {number}"
        name = known.get(number, frequent)
        names.append(name if name not in names else f"{name} ({number})")
    return tuple(names)


def _number(text: str, where: str) -> int:
    if not text.strip().isdecimal():
        raise ListError(f"{where}: class {text!r} is not a whole number from 0 on; correct it")
    return int(text)


def _name(text: str, names: tuple[str, ...], where: str) -> str:
    number = _number(text, where)
    if number >= len(names):
        raise ListError(
            f"{where}: class {number} has no name: --classes names {len(names)} classes"
        )
    return names[number]


def _seconds(text: str) -> object:
    """Seconds of ``H:M:S`` or of plain seconds; the text itself if it is neither."""
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        return text
    if len(parts) > 3 or any(part < 0 for part in parts):
        return text
    return sum(part * 60**place for place, part in enumerate(reversed(parts)))


def _named(films: list[AnnotatedFilm], source: Source) -> FilmAnnotations:
    return FilmAnnotations(films, ordered_names(films, source.class_names))


def _files(source: Source) -> tuple[Path, ...]:
    if not source.annotations:
        raise ListError("this format needs --annotations FILE, one or several")
    return source.annotations


def _folder(source: Source, content: str) -> Path:
    if len(source.annotations) != 1 or not source.annotations[0].is_dir():
        raise ListError(f"this format needs --annotations FOLDER, of {content}")
    return source.annotations[0]
