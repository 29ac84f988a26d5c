"""Long films with annotated seconds: what every format of them comes down to.

Source -> a parser of ``film_formats`` -> FilmAnnotations -> ``film_segments`` -> entries of lists
"""

import math
from typing import NamedTuple

from timesformer.datasets.annotations import SPLIT_NAMES, Source
from timesformer.datasets.list_text import ListError
from timesformer.io.terminal import printable

BACKGROUND = "background"  # the class of seconds without an action; always the last label


class FilmSegment(NamedTuple):
    """From ``start`` to ``end`` seconds a film shows the class called ``label``."""

    label: str
    start: float
    end: float


class AnnotatedFilm(NamedTuple):
    """A film as annotated.

    ``split`` is train, val, test, or empty where the format has none. What is annotated as neither
    an action nor background is ``ignored``.
    """

    name: str  # with or without folders and suffix
    split: str
    segments: tuple[FilmSegment, ...]
    ignored: tuple[FilmSegment, ...] = ()
    seconds: float = math.nan  # its length, as far as the annotations say it


class FilmAnnotations(NamedTuple):
    """Films, and the names of the classes in the order of the labels."""

    films: list[AnnotatedFilm]
    class_names: tuple[str, ...]


def film_segment(label: str, start: object, end: object, *, where: str) -> FilmSegment:
    """A segment; ``where`` is its file and entry, for errors.

    Raises:
        ListError: the times are no numbers, begin before 0, or hold nothing.
    """
    try:
        first, last = float(start), float(end)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        first = last = math.nan
    if not 0 <= first < last < math.inf:
        raise ListError(
            f"{where}: {printable(label)} from {printable(start)} to {printable(end)} is not a part of "
            "a film; write seconds, start before end, from 0 on"
        )
    return FilmSegment(label, first, last)


def film_split(subset: str, source: Source, *, where: str) -> str:
    """train, val or test for a subset as a format calls it, by ``source.subsets`` if it is there.

    Raises:
        ListError: neither those subsets nor the known ones have it.
    """
    given = {name.lower(): split for name, split in source.subsets.items()}
    known = {**SPLIT_NAMES, **given}
    key = subset.strip().lower()
    if key not in known:
        raise ListError(
            f"{where}: subset {printable(subset)!r} is not one of {', '.join(known)}; correct it, or "
            f"say what it is for, as --subsets {printable(subset.strip()) or 'NAME'}=train"
        )
    return known[key]


def ordered_names(films: list[AnnotatedFilm], given: tuple[str, ...]) -> tuple[str, ...]:
    """The classes: those ``given``, else those annotated in sorted order; background is the last.

    Raises:
        ListError: a given background is not the last.
    """
    if given:
        if BACKGROUND in given[:-1]:
            raise ListError(
                f"--classes has {BACKGROUND} as label {given.index(BACKGROUND)} of {len(given)}; it "
                "must be the last"
            )
        return given
    found = {segment.label for film in films for segment in film.segments}
    last = (BACKGROUND,) if BACKGROUND in found else ()
    return (*sorted(found - {BACKGROUND}), *last)
