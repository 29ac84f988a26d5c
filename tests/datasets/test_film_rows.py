"""Annotated films and real files: found by name, read for their length, and every row within its film."""

import json

import pytest

from tests.conftest import numbered_frame, write_video
from timesformer.datasets.annotations import Source
from timesformer.datasets.film_rows import FilmChoices, film_rows, locate_films
from timesformer.datasets.films import AnnotatedFilm
from timesformer.datasets.folders import VideoFolder
from timesformer.datasets.list_text import ListError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Films of 3 s: a.mp4, in/v_b.mp4, a folder of 60 frames, and a file that is none."""
    folder = tmp_path_factory.mktemp("films")
    for name in ("a.mp4", "in/v_b.mp4"):
        write_video(folder / name, [numbered_frame(i, height=32, width=48) for i in range(90)])
    (folder / "c").mkdir()
    for i in range(60):
        (folder / f"c/{i}.jpg").touch()
    (folder / "bad.mp4").write_text("no video")
    return folder


def rows_of(root, tmp_path, films, choices=None, **known):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"database": films}))
    source = Source(VideoFolder(root), (path,), **known)
    return film_rows(
        source, "activitynet", choices or FilmChoices(), seed=0, shares={"val": 0.1, "test": 0.1}
    )


def entry(subset, *segments, **more):
    listed = [{"label": label, "segment": [start, end]} for label, start, end in segments]
    return {"subset": subset, "annotations": listed, **more}


def test_films_are_found_by_id_and_rows_lie_within_their_files(root, tmp_path):
    found = rows_of(root, tmp_path, {
        "a": entry("training", ("up", 0.5, 1), ("down", 2.5, 9), ("up", 2.95, 4), duration=9.2),
        "b": entry("validation", ("up", 0, 1.5), ("up", 0, 1.5)),
        "c": entry("training", ("up", 1.5, 2.5), ("up", 5, 6)),
        "bad": entry("training", ("up", 0, 1)),
        "gone": entry("validation", ("up", 0, 1)),
    })  # fmt: skip
    assert found.class_names == ("down", "up", "background")
    actions = [
        (row.path.name, row.labels[0], row.split, row.start, row.end)
        for row in found.entries
        if row.labels != (2,)
    ]
    assert actions == [
        ("a.mp4", 1, "train", 0.5, 1.0),
        ("a.mp4", 0, "train", 2.5, 3.0),
        ("v_b.mp4", 1, "val", 0.0, 1.5),
        ("c", 1, "train", 1.5, 2.0),
    ]
    background = [row for row in found.entries if row.labels == (2,)]
    assert [row.split for row in background] == ["train"] * 3 + ["val"]
    lengths = {"a.mp4": 3.0, "v_b.mp4": 3.0, "c": 2.0}
    for row in background:
        assert 0 <= row.start < row.end <= lengths[row.path.name]
        assert all(
            row.end <= start or end <= row.start
            for name, _, _, start, end in actions
            if name == row.path.name
        )
    assert [clip.name for clip in found.missing] == ["gone"]
    assert found.lines == [
        "clipped: 2 segment(s) end after their film, and now with it",
        "repeated: 1 segment(s) are there twice, and count once",
        "length: 1 film(s) are not as long as their annotations say; the first: a, 3 instead of 9.2 "
        "seconds",
    ]
    assert found.reports["beyond"] == ["c: up from 5 to 6 s (the film has 2 s)"]
    assert found.reports["too_short"] == ["a: up from 2.95 to 3 s (the film has 3 s)"]
    (unreadable,) = found.reports["unreadable"]
    assert "bad.mp4" in unreadable


def test_without_background_there_is_no_such_class(root, tmp_path):
    films = {"a": entry("training", ("up", 0.5, 1))}
    found = rows_of(root, tmp_path, films, FilmChoices(background=0))
    assert found.class_names == ("up",)
    assert len(found.entries) == 1
    given = rows_of(root, tmp_path, films, class_names=("x", "up"))
    assert given.class_names == ("x", "up", "background")
    assert [row.labels for row in given.entries] == [(1,), (2,)]
    with pytest.raises(ListError, match=r"'up' is not one of the 2 classes \(x, background"):
        rows_of(root, tmp_path, films, class_names=("x",))


def test_rows_may_reach_beyond_their_segments_but_not_beyond_the_film(root, tmp_path):
    films = {"a": entry("training", ("up", 0.5, 1), ("up", 2.6, 3)), "b": entry("training")}
    choices = FilmChoices(background=0)
    bare, wide = (
        rows_of(root, tmp_path, films, each)
        for each in (choices, choices._replace(context=0.6, background=1))
    )
    assert [(row.start, row.end) for row in bare.entries] == [(0.5, 1), (2.6, 3)]
    assert [(row.start, row.end) for row in wide.entries[:2]] == [(0.0, 1.6), (2.0, 3.0)]
    same = rows_of(root, tmp_path, films, choices._replace(background=1))
    for row, inner in zip(wide.entries, same.entries, strict=True):
        assert row.start == pytest.approx(max(inner.start - 0.6, 0))
        assert row.end == pytest.approx(min(inner.end + 0.6, 3))
        assert row[:3] == inner[:3]


def test_films_that_are_not_there_or_unclear_are_named(root, tmp_path):
    with pytest.raises(
        ListError, match=r"none of the 1 annotated films is in .*\(4 videos\), as gone"
    ):
        rows_of(root, tmp_path, {"gone": entry("training", ("up", 0, 1))})
    with pytest.raises(ListError, match=r"no film can be read; the first: .*bad.mp4"):
        rows_of(root, tmp_path, {"bad": entry("training", ("up", 0, 1))})
    with pytest.raises(
        ListError, match=r"v_b.mp4 is annotated twice, as b \(train\) and v_b \(val\)"
    ):
        rows_of(root, tmp_path, {"b": entry("training"), "v_b": entry("validation")})


def test_several_files_of_one_name_are_an_error(tmp_path):
    for name in ("x/a.mp4", "y/a.mkv"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    videos = VideoFolder(tmp_path)
    with pytest.raises(
        ListError, match=r"film a is .*a.mp4 and .*a.mkv; a film is found by its name"
    ):
        locate_films([AnnotatedFilm("a", "train", ())], videos)
    found, _ = locate_films([AnnotatedFilm("y/a.mkv", "train", ())], videos)
    assert found[0][0] == tmp_path / "y/a.mkv"
