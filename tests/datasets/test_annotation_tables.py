"""Tables of other people: delimiters, headers in any case, labels from 1, names and numbers mixed."""

import pytest

from timesformer.datasets.annotation_tables import read_csv, read_list
from timesformer.datasets.annotations import Source
from timesformer.datasets.folders import VideoFolder
from timesformer.datasets.list_text import ListError


@pytest.fixture
def source(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    return Source(VideoFolder(tmp_path))


def labels(annotations):
    return [(clip.name.rpartition("/")[2], clip.labels, clip.split) for clip in annotations.clips]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_headers_are_read_in_any_case_and_delimiter(source, tmp_path, delimiter):
    text = " File_Name ,x,Label\na.mp4,1,sit\nb.mp4,2,run\n".replace(",", delimiter)
    (tmp_path / "t.csv").write_text("\ufeff" + text, encoding="utf-8")
    found = read_csv(source._replace(lists={"val": tmp_path / "t.csv"}))
    assert labels(found) == [("a.mp4", (1,), "val"), ("b.mp4", (0,), "val")]
    assert found.class_names == ("run", "sit")


def test_labels_keep_their_times_and_the_names_beside_them(source, tmp_path):
    (tmp_path / "t.csv").write_text("a.mp4 1;2 0.5 2\nb.mp4 2\n")
    (tmp_path / "classes.txt").write_text("run\nsit\n")
    found = read_list(source._replace(annotations=(tmp_path / "t.csv",), first_label=1))
    assert labels(found) == [("a.mp4", (0, 1), ""), ("b.mp4", (1,), "")]
    assert (found.clips[0].start, found.clips[0].end) == (0.5, 2)
    assert found.class_names == ("run", "sit")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.mp4 1\nb.mp4 0\n", "label 0 is below 1; labels count from --first-label"),
        ("a.mp4 1\nalone\n", r"t\.csv:2: 'alone' is neither `path label` nor `path name`"),
        ("caf\udce9.mp4 1\n", r"t\.csv:1: the line is not UTF-8, which lists are expected"),
    ],
)
def test_rows_that_cannot_be_used_are_named(source, tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text, errors="surrogateescape")
    with pytest.raises(ListError, match=message):
        read_list(source._replace(lists={"train": tmp_path / "t.csv"}, first_label=1))


def test_an_unknown_encoding_and_a_wrong_one_are_named(source, tmp_path):
    (tmp_path / "t.csv").write_bytes(b"caf\xe9.mp4 1\n")
    for encoding, message in (("klingon", "unknown encoding 'klingon'"), ("gbk", "is not gbk: ")):
        with pytest.raises(ListError, match=message):
            read_list(source._replace(lists={"train": tmp_path / "t.csv"}, encoding=encoding))
