"""Annotations of others are read, and what is wrong in them is named."""

import json

import pytest

from timesformer.datasets.list_text import ListError
from timesformer.detection.annotations import (
    AnnotationsError,
    Segment,
    duplicates,
    read_annotations,
)


def write(path, **videos):
    """ActivityNet JSON; a video is (subset, duration, [(label, start, end), ...])."""
    database = {
        name: {
            "subset": subset,
            "duration": duration,
            "annotations": [{"label": label, "segment": [a, b]} for label, a, b in rows],
        }
        for name, (subset, duration, rows) in videos.items()
    }
    path.write_text(json.dumps({"version": "1", "database": database}))
    return path


def test_a_subset_is_read(tmp_path):
    path = write(
        tmp_path / "t.json",
        a=("validation", 9.5, [("jump", 1, 2.5), ("run", 3, 9.55)]),
        b=("training", 20, [("swim", 1, 2)]),
        c=("validation", 5, []),
    )
    found = read_annotations(path)
    assert found.subset == "validation"
    assert found.videos["a"].segments == (Segment("jump", 1, 2.5), Segment("run", 3, 9.55))
    assert found.videos["a"].duration == 9.5
    assert found.videos["c"].segments == ()
    assert found.labels == ("jump", "run")
    assert (found.elsewhere, found.labels_elsewhere) == ({"b"}, {"swim"})
    assert read_annotations(path, subset="training").labels == ("swim",)


@pytest.mark.parametrize("subset", ["test", None])
def test_one_subset_or_none_needs_no_choice(tmp_path, subset):
    found = read_annotations(write(tmp_path / "t.json", a=(subset, None, [("jump", 0, 2)])))
    assert (found.subset, found.videos["a"].duration) == (subset, None)


def test_a_list_of_segments_is_read(tmp_path):
    path = tmp_path / "test.csv"
    path.write_text("/v/a film.mp4 1 2.5 4.0\n/v/a film.mp4 0;1 5 6\n\n# no\n/v/b.mp4,0,1.0,2.0\n")
    found = read_annotations(path, class_names=["run", "jump"])
    assert found.videos["a film"].segments == (
        Segment("jump", 2.5, 4),
        Segment("run", 5, 6),
        Segment("jump", 5, 6),
    )
    assert found.videos["b"].segments == (Segment("run", 1, 2),)
    assert read_annotations(path).labels == ("0", "1")


BAD = {  # of a duration of 10 s
    (5, 5): "from 5 to 5 s, which holds nothing; correct it, or pass --clean",
    (6, 5): "from 6 to 5 s, which holds nothing",
    (8, 12): "from 8 to 12 s, but the video ends at 10 s",
    (-1, 3): "from -1 to 3 s, which begins before the video",
    (float("nan"), 3): "which are not times",
}


@pytest.mark.parametrize("times", BAD)
def test_wrong_segments_are_named_or_cleaned(tmp_path, times):
    path = write(
        tmp_path / "t.json", film=(None, 10, [("ok", 0, 1), ("ok", 0, 1), ("jump", *times)])
    )
    with pytest.raises(AnnotationsError, match="t.json: film has jump") as caught:
        read_annotations(path)
    assert BAD[times] in str(caught.value)
    kept = {(8, 12): [("jump", 8, 10)], (-1, 3): [("jump", 0, 3)]}.get(times, [])
    assert list(read_annotations(path, clean=True).videos["film"].segments) == [("ok", 0, 1), *kept]


def test_duplicates_are_counted(tmp_path):
    path = write(tmp_path / "t.json", a=(None, 9, [("x", 1, 2), ("x", 1, 2), ("y", 1, 2)]))
    found = read_annotations(path)
    assert duplicates(found) == [("a", Segment("x", 1, 2))]
    assert len(found.videos["a"].segments) == 3


TEXTS = {
    "": "t.json is empty; write it again",
    "{": "t.json is not JSON",
    "[]": 'no entry "database"; annotations are {"database"',
    '{"results": {}}': "it holds results of a detector, no annotations",
    '{"database": {}}': "no video in it",
    '{"database": {"a": 1}}': "a has no list of annotations",
    '{"database": {"a": {}, "a": {}}}': "'a' occurs twice in one object",
    '{"database": {"a": {"annotations": [{"label": 3, "segment": [1, 2]}]}}}': "which is not {",
    '{"database": {"a": {"annotations": [{"label": "x", "segment": [1]}]}}}': "which is not {",
    '{"database": {"a": {"annotations": [{"label": "x", "segment": [1, true]}]}}}': "which is not",
    '{"database": {"a": {"annotations": [], "duration": -1}}}': "the duration -1, which is not a number",
    '{"database": {"a": {"annotations": []}}}': "no annotation; there is nothing to find",
    '{"database": {"a": {"subset": "x"}, "b": {"subset": "y"}}}': "no video of the subset validation; "
    "it has x (1 videos), y (1 videos); choose one with --subset",
}


@pytest.mark.parametrize("text", TEXTS)
def test_files_that_are_no_annotations_are_named(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(AnnotationsError) as caught:
        read_annotations(tmp_path / "t.json")
    assert TEXTS[text] in str(caught.value)


def test_a_subset_that_is_not_there_is_named(tmp_path):
    path = write(tmp_path / "t.json", a=("training", 9, [("x", 1, 2)]))
    with pytest.raises(AnnotationsError, match=r"subset test; it has training \(1 videos\)"):
        read_annotations(path, subset="test")
    path = write(tmp_path / "t.json", a=(None, 9, [("x", 1, 2)]))
    with pytest.raises(AnnotationsError, match="it has no subsets; .* or leave it out"):
        read_annotations(path, subset="test")
    with pytest.raises(AnnotationsError, match="no such file"):
        read_annotations(tmp_path / "none.json")
    with pytest.raises(AnnotationsError, match="is a folder; name the file of the annotations"):
        read_annotations(tmp_path)


LINES = {
    "a.mp4 1": "1: no times; a segment is `path label start end`",
    "a.mp4 7 1.0 2.0": "1: label 7 is outside 0 .. 1, the classes",
    "/x/a.mp4 1 1.0 2.0\n/y/a.mp4 1 1.0 2.0": "2: /y/a.mp4 and /x/a.mp4 are both called a",
    "# nothing": "no segment in it",
    "nonsense": "is not `path label`",
}


@pytest.mark.parametrize("text", LINES)
def test_wrong_lines_of_a_list_are_named(tmp_path, text):
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises((AnnotationsError, ListError)) as caught:
        read_annotations(tmp_path / "l.csv", class_names=["a", "b"])
    assert LINES[text] in str(caught.value)
    with pytest.raises(AnnotationsError, match="no such file"):
        read_annotations(tmp_path / "absent.csv")
