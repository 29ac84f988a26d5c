"""Annotated films and their files -> the rows of lists, and what the report says of them."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from timesformer.datasets.annotation_tables import LabelNumbers
from timesformer.datasets.annotations import AnnotatedClip, LocatedClip, Source
from timesformer.datasets.checks.inspection import video_seconds
from timesformer.datasets.checks.worker_pool import map_with_timeout
from timesformer.datasets.film_formats import FILM_FORMATS
from timesformer.datasets.film_segments import (
    LocatedFilm,
    action_rows,
    background_rows,
    fit_segments,
    split_films,
)
from timesformer.datasets.films import BACKGROUND, AnnotatedFilm, FilmAnnotations
from timesformer.datasets.folders import VideoFolder, frame_files
from timesformer.datasets.list_text import ListError
from timesformer.io.terminal import hides_bars, printable
from timesformer.video.images import FOLDER_FPS

PREFIX = "v_"  # files of ActivityNet are called v_<id>, its annotations have the id alone
SLACK = 1.0  # seconds by which a file may differ from the length that its annotations say


class FilmChoices(NamedTuple):
    """How films become rows."""

    background: float = 1.0  # background segments for each segment of an action; 0: no such class
    shortest: float = 0.1  # seconds of a segment, at least
    context: float = 0.0  # seconds by which a row reaches beyond its segment on both sides
    time_limit: float = 120.0  # seconds for the length of one file
    num_processes: int = 1


class FilmRows(NamedTuple):
    """The rows of films, the names of their classes, and what is to be reported."""

    entries: list[LocatedClip]
    class_names: tuple[str, ...]
    missing: list[AnnotatedClip]  # films that have no file, as clips without a label
    lines: list[str]
    reports: dict[str, list[str]]  # name of a file -> its lines


def film_rows(
    source: Source, form: str, choices: FilmChoices, *, seed: int, shares: Mapping[str, float]
) -> FilmRows:
    """The rows of annotated films.

    Args:
        source: the videos and what is known of them.
        form: of the annotations, one of FILM_FORMATS.
        choices: see there.
        seed: of the background and of splits that are made here.
        shares: part of the films for val and test, where the format has no splits.

    Raises:
        ListError: annotations or films that do not fit.
    """
    annotations = FILM_FORMATS[form](source)
    found, missing = locate_films(annotations.films, source.videos)
    seconds, unreadable = film_seconds(list(found), choices)
    films = [LocatedFilm(path, seconds[path], film) for path, film in found if path in seconds]
    if not films:
        raise ListError(f"no film can be read; the first: {unreadable[0]}")
    films = split_films(films, seed=seed, shares=shares)
    fitted = fit_segments(films, shortest=choices.shortest)
    names = _class_names(annotations, choices)
    label_of = LabelNumbers(names)
    labels = {name: label_of(name) for name in _labels(annotations)}
    actions = action_rows(fitted.films, labels)
    background = background_rows(
        fitted.films,
        ratio=choices.background,
        label=len(names) - 1,
        shortest=choices.shortest,
        seed=seed,
    )
    reports = {
        "unreadable": unreadable,
        "beyond": fitted.beyond,
        "too_short": fitted.too_short,
    }
    lines = _remarks(films, fitted.num_clipped, fitted.num_repeated)
    lines += _shortages(actions, background, names, choices.background)
    absent = [AnnotatedClip(film.name, (), film.split) for film in missing]
    rows = [*actions, *background]
    if choices.context:
        rows = [with_context(row, choices.context, seconds[row.path]) for row in rows]
    return FilmRows(rows, names, absent, lines, reports)


def with_context(row: LocatedClip, context: float, seconds: float) -> LocatedClip:
    """``row`` with ``context`` more seconds on both sides, within a film of ``seconds``.

    With half a clip, the middle of every clip that lies in the row lies in the segment, as the middle
    decides what a window of a detector stands for.
    """
    start, end = max(row.start - context, 0.0), min(row.end + context, seconds)
    return row._replace(start=round(start, 6), end=round(end, 6))


def locate_films(
    films: Sequence[AnnotatedFilm], videos: VideoFolder
) -> tuple[list[tuple[Path, AnnotatedFilm]], list[AnnotatedFilm]]:
    """(file, film) of the films that ``videos`` has, in the order of their names; the others.

    Raises:
        ListError: none is there; several files are called like a film; two films are one file.
    """
    found: dict[Path, AnnotatedFilm] = {}
    missing = []
    for film in sorted(films, key=lambda film: (film.name, film.split)):
        paths = videos.matches(film.name) or videos.matches(f"{PREFIX}{film.name}")
        if len(paths) > 1:
            raise ListError(
                f"film {printable(film.name)} is {' and '.join(printable(p) for p in paths[:3])}; a "
                "film is found by its name, so move or rename all but one"
            )
        if paths and paths[0] in found:
            raise ListError(
                f"{printable(paths[0])} is annotated twice, as {printable(found[paths[0]].name)} "
                f"({found[paths[0]].split or 'no split'}) and {printable(film.name)} "
                f"({film.split or 'no split'}); leave one of them"
            )
        if paths:
            found[paths[0]] = film
        else:
            missing.append(film)
    if not found:
        example = f", as {printable(missing[0].name)}" if missing else ""
        raise ListError(
            f"none of the {len(missing)} annotated films is in {videos.root} ({len(videos.paths)} "
            f"videos){example}; pass the folder of the films as --videos"
        )
    return list(found.items()), missing


def film_seconds(
    films: Sequence[tuple[Path, AnnotatedFilm]], choices: FilmChoices
) -> tuple[dict[Path, float], list[str]]:
    """File -> its seconds; why the others cannot be read. No frame is decoded."""
    folders = {path: len(frame_files(path)) / FOLDER_FPS for path, _ in films if path.is_dir()}
    files = [str(path) for path, _ in films if path not in folders]
    results = map_with_timeout(
        video_seconds, files, workers=choices.num_processes, seconds=choices.time_limit
    )
    seconds, unreadable = folders, []
    bar = tqdm(results, total=len(files), unit="film", disable=hides_bars())
    for result in bar:
        if result.problem:
            unreadable.append(f"{printable(result.item)}: {result.problem}: {result.detail}")
        else:
            seconds[Path(result.item)] = result.value
    return seconds, sorted(unreadable)


def _class_names(annotations: FilmAnnotations, choices: FilmChoices) -> tuple[str, ...]:
    names = annotations.class_names
    return names if not choices.background or BACKGROUND in names else (*names, BACKGROUND)


def _labels(annotations: FilmAnnotations) -> list[str]:
    found = {segment.label for film in annotations.films for segment in film.segments}
    return sorted(found)


def _remarks(films: Sequence[LocatedFilm], num_clipped: int, num_repeated: int) -> list[str]:
    """Lines on what was mended, and on files that are not those that were annotated."""
    lines = []
    if num_clipped:
        lines.append(f"clipped: {num_clipped} segment(s) end after their film, and now with it")
    if num_repeated:
        lines.append(f"repeated: {num_repeated} segment(s) are there twice, and count once")
    others = [
        film
        for film in films
        if not math.isnan(film.annotated.seconds)
        and abs(film.annotated.seconds - film.seconds) > SLACK
    ]
    if others:
        first = others[0]
        lines.append(
            f"length: {len(others)} film(s) are not as long as their annotations say; the first: "
            f"{printable(first.annotated.name)}, {first.seconds:g} instead of "
            f"{first.annotated.seconds:g} seconds"
        )
    return lines


def _shortages(
    actions: Sequence[LocatedClip],
    background: Sequence[LocatedClip],
    names: Sequence[str],
    ratio: float,
) -> list[str]:
    """A line for each split that has less background than asked for."""
    is_action = [names[row.labels[0]] != BACKGROUND for row in actions]
    wanted = Counter(row.split for row, counts in zip(actions, is_action, strict=True) if counts)
    found = Counter(row.split for row in background)
    return [
        f"background: {split} has {found[split]} of {round(ratio * count)} segments; its gaps hold no "
        "more"
        for split, count in wanted.items()
        if found[split] < round(ratio * count)
    ]
