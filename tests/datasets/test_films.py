"""Times, subsets and names of classes as every format of films has them."""

import pytest

from timesformer.datasets.annotations import Source
from timesformer.datasets.films import (
    AnnotatedFilm,
    FilmSegment,
    film_segment,
    film_split,
    ordered_names,
)
from timesformer.datasets.list_text import ListError


def film(*labels):
    return AnnotatedFilm("a", "train", tuple(FilmSegment(label, 0, 1) for label in labels))


def test_a_segment_has_times_in_order():
    assert film_segment("run", "1.5", 2, where="f") == ("run", 1.5, 2.0)


@pytest.mark.parametrize(
    ("start", "end"), [(2, 1), (1, 1), (-1, 1), ("x", 1), (None, 1), (0, "inf"), ("nan", 1)]
)
def test_times_that_hold_nothing_are_refused(start, end):
    with pytest.raises(
        ListError, match=r"f\.json, entry 3: run from .* is not a part of a film; wr"
    ):
        film_segment("run", start, end, where="f.json, entry 3")


def test_subsets_are_known_by_their_usual_names_and_by_those_given():
    source = Source(None, subsets={"Test": "val", "seen": "train"})
    names = ["training", "Validation", "testing", "test", "SEEN"]
    found = [film_split(name, source, where="f") for name in names]
    assert found == ["train", "val", "test", "val", "train"]
    with pytest.raises(
        ListError, match="f: subset 'Testing2' is not one of .*--subsets Testing2=tr"
    ):
        film_split("Testing2", source, where="f")


def test_background_is_the_last_class():
    assert ordered_names([film("up", "background"), film("down")], ()) == (
        "down", "up", "background"
    )  # fmt: skip
    assert ordered_names([film("up")], ("up", "background")) == ("up", "background")
    with pytest.raises(ListError, match="has background as label 0 of 2; it must be the last"):
        ordered_names([film("up")], ("background", "up"))
