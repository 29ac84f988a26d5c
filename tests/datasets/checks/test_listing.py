"""Lists line by line: good entries, every wrong line, and files that are no list."""

import pytest

from timesformer.datasets.checks.listing import ListedVideo, find_lists, read_listing
from timesformer.datasets.checks.problems import find_problems
from timesformer.datasets.list_text import ListError


def read(file, separator=" "):
    return read_listing(file, prefix="", separator=separator)


def test_good_and_wrong_lines_keep_their_numbers(tmp_path):
    file = tmp_path / "train.csv"
    (tmp_path / "a b.mp4").touch()
    file.write_text("# comment\n\na b.mp4 3\nno label\nc.mp4\t-1\n7\n")
    listing = read(file)
    assert listing.entries == [
        ListedVideo("train", 3, str(tmp_path / "a b.mp4"), 3),
        ListedVideo("train", 5, "c.mp4", -1),
    ]
    assert [(p.kind, p.line) for p in listing.problems] == [("not a line", 4), ("not a line", 6)]
    assert listing.problems[0].detail.startswith("'no label' is not `path label`; write a path")


def test_prefix_and_separator_are_as_in_training(tmp_path):
    file = tmp_path / "any.csv"
    file.write_text("a.mp4;2\n")
    listing = read_listing(file, prefix="/videos", separator=";")
    assert listing.entries == [ListedVideo("any", 1, "/videos/a.mp4", 2)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"none of its lines is `path label`$"),
        ("words\n", "none of its lines .* line 1: 'words' is not `path label`"),
        (
            "original_vido_id video_id frame_id path labels\n",
            "SSv2 needs it beside its other files",
        ),
    ],
)
def test_a_file_that_is_no_list_is_named(tmp_path, text, message):
    (tmp_path / "train.csv").write_text(text)
    with pytest.raises(ListError, match=message):
        read(tmp_path / "train.csv")


def test_all_labels_of_a_line_count(tmp_path):
    (tmp_path / "train.csv").write_text("a.mp4 3;9\nb.mp4 1\n")
    listing = read(tmp_path / "train.csv")
    assert listing.entries[0] == ListedVideo("train", 1, "a.mp4", 3, (9,))
    found = find_problems([listing], {}, num_classes=5, shortest=lambda fps: 1)
    assert [p.detail for p in found.problems if p.kind == "label out of range"] == [
        "label 9 is outside 0 .. 4"
    ]
    assert found.histogram == {1: {"train": 1}, 3: {"train": 1}, 9: {"train": 1}}


def test_an_ssv2_list_of_another_name_is_named(tmp_path):
    (tmp_path / "other.csv").write_text("original_vido_id video_id frame_id path labels\n")
    with pytest.raises(ListError, match=r"must be called train\.csv or val\.csv; rename it"):
        read(tmp_path / "other.csv")


def test_folders_stand_for_their_lists(tmp_path):
    for name in ("val.csv", "train.csv", "other.csv"):
        (tmp_path / name).touch()
    assert [p.name for p in find_lists([tmp_path])] == ["train.csv", "val.csv"]
    both = find_lists([tmp_path / "other.csv", tmp_path, tmp_path / "val.csv"])
    assert [p.name for p in both] == ["other.csv", "train.csv", "val.csv"]


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(ListError, match=r"gone\.csv does not exist; check the path"):
        find_lists([tmp_path / "gone.csv"])
    with pytest.raises(ListError, match=r"has no train\.csv, val\.csv or test\.csv; name the list"):
        find_lists([tmp_path])
