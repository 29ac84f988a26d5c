"""Segments within their films and background in the gaps, against a naive count of milliseconds."""

from pathlib import Path

import numpy as np
import pytest

from timesformer.datasets.film_segments import (
    LocatedFilm,
    action_rows,
    background_rows,
    fit_segments,
    gaps,
    split_films,
)
from timesformer.datasets.films import AnnotatedFilm, FilmSegment
from timesformer.datasets.list_text import ListError


def film(name, seconds, *segments, split="train", ignored=()):
    made = tuple(FilmSegment(*each) for each in segments)
    left = tuple(FilmSegment("?", *each) for each in ignored)
    return LocatedFilm(Path(name), seconds, AnnotatedFilm(name, split, made, left))


def test_segments_are_clipped_and_those_beyond_or_too_short_are_named():
    fitted = fit_segments(
        [film("a", 10.0, ("x", 1, 2), ("x", 1, 2), ("y", 8, 12), ("y", 10, 11), ("x", 9.95, 20))],
        shortest=0.1,
    )
    (found,) = fitted.films
    assert found.annotated.segments == (("x", 1, 2), ("y", 8, 10.0))
    assert (fitted.num_clipped, fitted.num_repeated) == (1, 1)
    assert fitted.beyond == ["a: y from 10 to 11 s (the film has 10 s)"]
    assert fitted.too_short == ["a: x from 9.95 to 10 s (the film has 10 s)"]
    assert action_rows(fitted.films, {"x": 4, "y": 2}) == [
        (Path("a"), (4,), "train", 1, 2),
        (Path("a"), (2,), "train", 8, 10.0),
    ]


def test_gaps_are_what_no_annotation_covers():
    found = film("a", 10.0, ("x", 1, 3), ("y", 2, 4), ("z", 2.5, 3), ignored=[(6, 7)])
    assert gaps(found) == [(0.0, 1), (4, 6), (7, 10.0)]
    assert gaps(film("b", 5.0)) == [(0.0, 5.0)]
    assert gaps(film("c", 5.0, ("x", 0, 6))) == []


def random_films(rng, count=6):
    films = []
    for number in range(count):
        times = np.sort(rng.uniform(0, 60, size=8))
        segments = [("x", start, end) for start, end in zip(times[::2], times[1::2], strict=True)]
        split = ("train", "val")[number % 2]
        films.append(film(f"f{number}", 60.0, *segments, split=split))
    return films


@pytest.mark.parametrize("ratio", [0.25, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_background_lies_in_the_gaps_once_and_in_the_ratio(ratio, seed):
    films = random_films(np.random.default_rng(seed))
    rows = background_rows(films, ratio=ratio, label=7, shortest=0.1, seed=seed)
    for split in ("train", "val"):
        assert sum(row.split == split for row in rows) == round(ratio * 12)
    for each in films:
        busy = np.zeros(60_001, bool)  # milliseconds
        for segment in each.annotated.segments:
            busy[int(segment.start * 1000) + 1 : int(segment.end * 1000)] = True
        for row in rows:
            if row.path == each.path:
                assert row.labels == (7,)
                first, end = round(row.start * 1000), round(row.end * 1000)
                assert 0 <= first < first + 100 <= end <= 60_000
                assert not busy[first:end].any()
                busy[first:end] = True


def test_background_is_as_long_as_the_actions_and_anywhere():
    films = [film(f"f{i}", 100.0, ("x", 40, 42), ("x", 60, 66)) for i in range(50)]
    rows = background_rows(films, ratio=2, label=1, shortest=0.1, seed=0)
    lengths = np.array([row.end - row.start for row in rows])
    assert {*lengths.round(3)} == {2.0, 6.0}
    assert abs(np.mean(lengths < 3) - 0.5) < 0.12
    starts = np.array([row.start for row in rows])
    assert np.histogram(starts, bins=[0, 19, 38, 57, 76, 95])[0].min() > 10


def test_it_depends_on_the_seed_alone():
    films = random_films(np.random.default_rng(0))
    first, again, other = (
        background_rows(films, ratio=1, label=7, shortest=0.1, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_full_films_give_less_background_and_films_without_actions_set_no_ratio():
    full = film("a", 10.0, ("x", 0, 4), ("x", 4.05, 9))
    rows = background_rows([full], ratio=5, label=1, shortest=0.1, seed=0)
    assert [(row.start, row.end) for row in rows] == [(9.0, 10.0)]
    assert not background_rows([film("a", 9.0)], ratio=1, label=1, shortest=0.1, seed=0)
    named = film("a", 9.0, ("background", 0, 2), ("x", 3, 4))
    (row,) = background_rows([named], ratio=1, label=1, shortest=0.1, seed=0)
    assert row.end - row.start == pytest.approx(1.0)


def test_films_are_divided_whole_where_there_are_no_splits():
    films = [film(f"f{i}", 9.0, ("x", 0, 1), split="") for i in range(20)]
    found = split_films(films, seed=0, shares={"val": 0.2, "test": 0.1})
    splits = [each.split for each in found]
    assert [splits.count(name) for name in ("train", "val", "test")] == [14, 4, 2]
    assert found == split_films(films, seed=0, shares={"val": 0.2, "test": 0.1})
    few = split_films(films[:2], seed=0, shares={"val": 0.2, "test": 0.1})
    assert sorted(each.split for each in few) == ["train", "val"]
    with pytest.raises(ListError, match=r"1 film\(s\) without a split, but train and val need one"):
        split_films(films[:1], seed=0, shares={"val": 0.2, "test": 0.1})
    known = [film("a", 1.0)]
    assert split_films(known, seed=0, shares={}) == known
