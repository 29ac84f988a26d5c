"""Temporal segments of the VGG Image Annotator 3: a project in JSON, or its export as CSV.

A segment is an entry with two times and no place in the frame. Its class is the value of an attribute
of temporal segments (anchor FILE1_Z2_XY0): the text, or what an option is called.
"""

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from timesformer.datasets.annotations import Source
from timesformer.datasets.films import (
    AnnotatedFilm,
    FilmAnnotations,
    FilmSegment,
    film_segment,
    ordered_names,
)
from timesformer.datasets.list_text import ListError, read_text, text_lines
from timesformer.io.terminal import printable

_ANCHOR = "Z2_XY0"  # two times, no place
_SEVERAL = 2  # the type of an attribute of which several options may be chosen
_COLUMNS = 6  # metadata_id, file_list, flags, temporal_coordinates, spatial_coordinates, metadata
_EXPECTED = "a project or a CSV export of VIA 3 for video"


class _Entry(NamedTuple):
    file: str
    times: Sequence[Any]
    values: Mapping[str, str]  # attribute id -> value
    where: str


class _Export(NamedTuple):
    attributes: Mapping[str, Mapping[str, Any]]  # by id
    files: tuple[str, ...]
    entries: list[_Entry]


def read_via(source: Source) -> FilmAnnotations:
    """VIA 3 files, of all films or of a split each; ``source.label`` is the name of the attribute.

    Raises:
        ListError: another kind of file; not exactly one attribute to take; a segment without a class.
    """
    files = [("", path) for path in source.annotations] + list(source.lists.items())
    if not files:
        raise ListError("this format needs --annotations FILE, or --train FILE and --val FILE")
    segments: dict[tuple[str, str], list[FilmSegment]] = defaultdict(list)
    for split, path in files:
        export = _read(path, source.encoding)
        attribute = _attribute(export, source.label, path)
        for name in export.files:
            segments[name, split] += []
        for entry in export.entries:
            for label in _labels(entry, attribute, export.attributes[attribute]):
                segment = film_segment(label, *entry.times, where=entry.where)
                segments[entry.file, split].append(segment)
    films = [AnnotatedFilm(name, split, tuple(each)) for (name, split), each in segments.items()]
    return FilmAnnotations(films, ordered_names(films, source.class_names))


def _read(path: Path, encoding: str) -> _Export:
    if not path.is_file():
        raise ListError(f"annotation file {path} does not exist; check --annotations")
    text = read_text(path, encoding)
    try:
        return _from_json(text, path) if text.lstrip().startswith("{") else _from_csv(text, path)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        if isinstance(error, ListError):
            raise
        raise ListError(
            f"{path} is not {_EXPECTED} ({type(error).__name__}: {printable(error)}); export it again"
        ) from error


def _from_json(text: str, path: Path) -> _Export:
    project = json.loads(text)
    views = {
        vid: _base(project["file"][str(view["fid_list"][0])]["fname"])
        for vid, view in project["view"].items()
    }
    entries = [
        _Entry(views[str(each["vid"])], each["z"], each["av"], f"{path}, entry {printable(name)}")
        for name, each in project["metadata"].items()
        if len(each["z"]) == 2 and not each["xy"]
    ]
    return _Export(project["attribute"], tuple(dict.fromkeys(views.values())), entries)


def _from_csv(text: str, path: Path) -> _Export:
    attributes: Mapping[str, Any] = {}
    for line in text_lines(text):
        head, _, value = line.partition("=")
        if head.strip() in ("# ATTRIBUTE", "# ATTRIBUTES"):
            attributes = json.loads(value)
    if not attributes:
        raise ListError(f"{path} is not {_EXPECTED}: no line `# ATTRIBUTE = ...`; export it again")
    return _Export(attributes, (), list(_csv_entries(text, path)))


def _csv_entries(text: str, path: Path) -> Iterator[_Entry]:
    lines = (line for line in text_lines(text) if line.strip() and not line.startswith("#"))
    for row in csv.reader(lines):
        name, files, _, times, place, values = row[:_COLUMNS]
        if len(json.loads(times)) == 2 and not json.loads(place):
            file = _base(json.loads(files)[0])
            where = f"{path}, entry {printable(name)}"
            yield _Entry(file, json.loads(times), json.loads(values), where)


def _attribute(export: _Export, wanted: str, path: Path) -> str:
    """The id of the attribute that holds the class."""
    names = {
        key: each["aname"]
        for key, each in export.attributes.items()
        if _ANCHOR in str(each.get("anchor_id", ""))
    }
    chosen = [key for key, name in names.items() if not wanted or name == wanted]
    if len(chosen) != 1:
        there = ", ".join(map(printable, names.values())) or "none"
        which = f"called {printable(wanted)}" if wanted else "is the class"
        raise ListError(
            f"{path}: which attribute of temporal segments {which} is not clear; it has: {there}; "
            "name one with --label"
        )
    return chosen[0]


def _labels(entry: _Entry, key: str, attribute: Mapping[str, Any]) -> list[str]:
    """The classes of a segment: one, or several where an attribute has check boxes."""
    value = str(entry.values.get(key, "")).strip()
    options = attribute.get("options") or {}
    values = value.split(",") if attribute.get("type") == _SEVERAL else [value]
    labels = [str(options.get(each.strip(), each)).strip() for each in values]
    if not all(labels) or value == "_DEFAULT":
        raise ListError(
            f"{entry.where}: the segment has no {printable(attribute['aname'])}; choose one in VIA and "
            "export it again, or delete the segment"
        )
    return labels


def _base(name: str) -> str:
    """The last part of a path or URL."""
    return name.replace("\\", "/").rpartition("/")[2]
