"""The layout of ActivityNet's annotations, in which most data sets of films are published.

{"database": {"film": {"subset": "validation", "duration": 61.2,
                       "annotations": [{"segment": [2.5, 9.0], "label": "Long jump"}]}}}
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from timesformer.datasets.list_text import ListError
from timesformer.io.terminal import printable

LAYOUT = '{"database": {"NAME": {"subset", "duration", "annotations": [{"segment", "label"}]}}}'


class AnnotationsError(ListError):
    """Annotations that cannot be used; the message names file, video, rule and remedy."""


def read_database(path: Path) -> dict[str, dict[str, Any]]:
    """The films of a file by name; the annotations of each are a list, of anything.

    Raises:
        AnnotationsError: no such file, not JSON, a name that occurs twice, or another layout.
    """
    content = load_json(path)
    database = content.get("database") if isinstance(content, dict) else None
    if not isinstance(database, dict):
        found = (
            "results of a detector" if isinstance(content, dict) and "results" in content else ""
        )
        found = f"it holds {found}, no annotations" if found else 'no entry "database"'
        raise AnnotationsError(f"{printable(path)}: {found}; annotations are {LAYOUT}")
    if not database:
        raise AnnotationsError(f"{printable(path)}: no video in it; annotations are {LAYOUT}")
    for name, entry in database.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("annotations", []), list):
            raise AnnotationsError(
                f"{printable(path)}: {printable(name)} has no list of annotations; they are {LAYOUT}"
            )
    return database


def labelled_part(path: Path, name: str, entry: Any) -> tuple[str, float, float]:
    """Label, start and end (seconds, of any value) of an annotation of the film ``name``.

    Raises:
        AnnotationsError: it is something else.
    """
    match entry:
        case {"label": str(label), "segment": [start, end]} if label and all(
            map(is_number, (start, end))
        ):
            return label, float(start), float(end)
    raise AnnotationsError(
        f"{printable(path)}: {printable(name)} has the annotation {printable(entry)[:100]}, which "
        'is not {"segment": [start, end], "label": "NAME"}'
    )


def is_number(value: Any) -> bool:
    """Whether a value of JSON is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def load_json(path: Path) -> Any:
    """The content of a JSON file; an AnnotationsError names what is wrong with it."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise AnnotationsError(f"{printable(path)}: no such file") from None
    except OSError as error:
        raise AnnotationsError(f"{printable(path)} cannot be read: {error.strerror}") from error
    if not content.strip():
        raise AnnotationsError(f"{printable(path)} is empty; write it again")
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise AnnotationsError(f"{printable(path)} is not JSON: {printable(error)}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, no name of which occurs twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        name = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"{name!r} occurs twice in one object")
    return found
