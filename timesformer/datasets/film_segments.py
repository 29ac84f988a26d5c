"""Films with annotated seconds as rows of lists: segments within the film, and background between them.

Background is drawn from the gaps: what no annotation covers. Its segments are as long as annotated ones
drawn at random, and share no second with each other. Times of background are whole milliseconds.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from timesformer.datasets.annotations import SPLITS, LocatedClip
from timesformer.datasets.films import BACKGROUND, AnnotatedFilm, FilmSegment
from timesformer.datasets.list_text import ListError
from timesformer.io.terminal import printable

MILLISECONDS = 1000  # in a second


class LocatedFilm(NamedTuple):
    """A film whose file is known; ``annotated.split`` is train, val or test."""

    path: Path
    seconds: float  # of the file
    annotated: AnnotatedFilm

    @property
    def split(self) -> str:
        """Train, val or test."""
        return self.annotated.split


class Fitted(NamedTuple):
    """Films whose segments lie within their files, and what became of the others."""

    films: list[LocatedFilm]
    num_clipped: int  # segments that ended after their film, and now end with it
    num_repeated: int  # that occurred twice in a film, and now once
    beyond: list[str]  # segments that began after their film's end: left out
    too_short: list[str]  # left out


def fit_segments(films: Sequence[LocatedFilm], *, shortest: float) -> Fitted:
    """Films with the segments that their files hold; of at least ``shortest`` seconds.

    What is too short for a segment is not background either.
    """
    fitted: list[LocatedFilm] = []
    beyond: list[str] = []
    too_short: list[str] = []
    num_clipped = num_repeated = 0
    for film in films:
        segments = tuple(dict.fromkeys(film.annotated.segments))
        num_repeated += len(film.annotated.segments) - len(segments)
        kept, left_out = [], []
        for segment in segments:
            clipped = segment._replace(end=min(segment.end, film.seconds))
            if segment.start >= film.seconds:
                beyond.append(_describe(film, segment))
            elif clipped.end - clipped.start < shortest:
                too_short.append(_describe(film, clipped))
                left_out.append(clipped)
            else:
                kept.append(clipped)
                num_clipped += clipped != segment
        ignored = (*film.annotated.ignored, *left_out)
        annotated = film.annotated._replace(segments=tuple(kept), ignored=ignored)
        fitted.append(film._replace(annotated=annotated))
    return Fitted(fitted, num_clipped, num_repeated, beyond, too_short)


def action_rows(films: Sequence[LocatedFilm], labels: Mapping[str, int]) -> list[LocatedClip]:
    """A row for every segment, in the order of the films."""
    return [
        LocatedClip(film.path, (labels[segment.label],), film.split, segment.start, segment.end)
        for film in films
        for segment in film.annotated.segments
    ]


def background_rows(
    films: Sequence[LocatedFilm], *, ratio: float, label: int, shortest: float, seed: int
) -> list[LocatedClip]:
    """Background segments of every split, ``ratio`` for each segment of an action that it has.

    Args:
        films: with the segments that their files hold.
        ratio: background segments for each segment of an action; there are fewer where the gaps hold
            no more.
        label: of the rows.
        shortest: seconds of a segment, at least.
        seed: with the split, decides where they lie.
    """
    rows = []
    for place, split in enumerate(SPLITS):
        of_split = [film for film in films if film.split == split]
        segments = [
            segment
            for film in of_split
            for segment in film.annotated.segments
            if segment.label != BACKGROUND
        ]
        rows += _draw(
            of_split,
            lengths=np.array([_ms(segment.end - segment.start) for segment in segments], np.int64),
            count=round(ratio * len(segments)),
            label=label,
            shortest=max(_ms(shortest), 1),
            rng=np.random.default_rng([seed, place]),
        )
    return rows


def gaps(film: LocatedFilm) -> list[tuple[float, float]]:
    """The seconds of a film that no annotation covers, in order."""
    free, reached = [], 0.0
    for segment in sorted(film.annotated.segments + film.annotated.ignored, key=lambda s: s.start):
        if segment.start > reached:
            free.append((reached, min(segment.start, film.seconds)))
        reached = max(reached, segment.end)
    return [*free, (reached, film.seconds)] if reached < film.seconds else free


def split_films(
    films: Sequence[LocatedFilm], *, seed: int, shares: Mapping[str, float]
) -> list[LocatedFilm]:
    """Films with a split each: those without one by ``shares`` of the films, at least one each.

    Raises:
        ListError: fewer films than splits.
    """
    without = [i for i, film in enumerate(films) if not film.split]
    wanted = [split for split in SPLITS if shares.get(split)]
    if len(without) <= len(wanted) == 2:
        wanted = wanted[:1]  # a list for validation then serves both
    if not without:
        return list(films)
    if len(without) <= len(wanted):
        raise ListError(
            f"{len(without)} film(s) without a split, but train and {' and '.join(wanted)} need one "
            "each; annotate more films, or give the annotations of each split (--train, --val)"
        )
    order = np.random.default_rng(seed).permutation(without).tolist()
    split_of = dict.fromkeys(order, "train")
    for split in wanted:
        for _ in range(max(round(shares[split] * len(without)), 1)):
            if len(order) > 1:
                split_of[order.pop()] = split
    return [
        film._replace(annotated=film.annotated._replace(split=split_of.get(i, film.split)))
        for i, film in enumerate(films)
    ]


def _draw(
    films: Sequence[LocatedFilm],
    *,
    lengths: np.ndarray,
    count: int,
    label: int,
    shortest: int,
    rng: np.random.Generator,
) -> list[LocatedClip]:
    """Up to ``count`` segments at places that are equally likely; all times in milliseconds."""
    free = [
        (i, math.ceil(start * MILLISECONDS), math.floor(end * MILLISECONDS))
        for i, film in enumerate(films)
        for start, end in gaps(film)
    ]
    owners, starts, ends = np.array(free, np.int64).reshape(-1, 3).T.copy()
    drawn: list[tuple[int, int, int]] = []
    for _ in range(count):
        longest = int((ends - starts).max(initial=0))
        if longest < shortest:
            break
        length = max(min(int(rng.choice(lengths)), longest), shortest)
        room = np.maximum(ends - starts - length + 1, 0)  # starts that each gap has
        place = int(rng.integers(room.sum()))
        gap = int(np.searchsorted(np.cumsum(room), place, side="right"))
        start = int(starts[gap] + place - room[:gap].sum())
        drawn.append((int(owners[gap]), start, start + length))
        owners = np.append(owners, owners[gap])
        starts, ends = np.append(starts, start + length), np.append(ends, ends[gap])
        ends[gap] = start
    return [
        LocatedClip(
            films[i].path, (label,), films[i].split, start / MILLISECONDS, end / MILLISECONDS
        )
        for i, start, end in sorted(drawn)
    ]


def _ms(seconds: float) -> int:
    return round(seconds * MILLISECONDS)


def _describe(film: LocatedFilm, segment: FilmSegment) -> str:
    return (
        f"{printable(film.annotated.name)}: {printable(segment.label)} from {segment.start:g} to "
        f"{segment.end:g} s (the film has {film.seconds:g} s)"
    )
