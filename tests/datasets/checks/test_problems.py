"""Problems and counts from entries and rows, without a file."""

from math import nan
from pathlib import Path

from timesformer.datasets.checks.listing import ListedVideo, Listing, Problem
from timesformer.datasets.checks.problems import find_problems
from timesformer.datasets.scan_index import ScanRow


def listing(split, *videos):
    file = Path(f"{split}.csv")
    entries = [
        ListedVideo(split, i, video, label) for i, (video, label) in enumerate(videos, start=1)
    ]
    return Listing(file, entries, [])


def row(content, *, frames=60, problem="", detail=""):
    return ScanRow("", 0, 9, 0, frames, 0, 30.0, 2.0, 8, 8, "h264", problem, detail, content, "")


def found(listings, rows, *, num_classes=None, shortest=lambda fps: 1):
    report = find_problems(listings, rows, num_classes=num_classes, shortest=shortest)
    return [(p.kind, p.list_file, p.line, p.detail) for p in report.problems], report


def test_sound_lists_have_no_problem():
    lists = [listing("train", ("a", 0), ("b", 1)), listing("val", ("c", 1), ("d", 0))]
    problems, report = found(lists, {name: row(name) for name in "abcd"}, num_classes=2)
    assert problems == []
    assert report.histogram == {0: {"train": 1, "val": 1}, 1: {"train": 1, "val": 1}}
    assert report.suggested_classes == 2


def test_labels_are_judged_by_the_number_of_classes():
    lists = [listing("train", ("a", 0), ("b", 2), ("c", -1), ("d", 1))]
    rows = {name: row(name) for name in "abcd"}
    assert found(lists, rows, num_classes=2)[0] == [
        ("label out of range", "train.csv", 2, "label 2 is outside 0 .. 1"),
        ("label out of range", "train.csv", 3, "label -1 is outside 0 .. 1"),
    ]
    problems, report = found(lists, rows)
    assert problems == [("label out of range", "train.csv", 3, "label -1 is below 0")]
    assert report.suggested_classes == 3


def test_missing_files_scanned_problems_and_short_videos():
    lists = [listing("train", ("gone", 0), ("bad", 0), ("short", 0), ("long", 0))]
    rows = {
        "bad": row("1", frames=0, problem="zero frames", detail="none of 9"),
        "short": row("2", frames=63),
        "long": row("3", frames=64),
    }
    assert found(lists, rows, shortest=lambda fps: int(fps * 64 / 30))[0] == [
        ("missing", "train.csv", 1,
         "no such file; correct the path or the prefix, or remove the line"),
        ("zero frames", "train.csv", 2, "none of 9"),
        ("too short", "train.csv", 3,
         "63 frames, a clip spans 64; its last frame will be repeated"),
    ]  # fmt: skip


def test_repetitions_name_the_first_and_a_differing_label():
    lists = [
        listing("train", ("a", 0), ("a", 0), ("copy", 0)),
        listing("val", ("a", 1), ("other", 0), ("other copy", 0)),
    ]
    rows = {"a": row("x"), "copy": row("x"), "other": row("y"), "other copy": row("x")}
    assert [p for p in found(lists, rows)[0] if p[0] != "class missing"] == [
        ("listed twice", "train.csv", 2, "also train line 1"),
        ("in two splits", "val.csv", 1, "also train line 1, with label 0 there"),
        ("same bytes", "train.csv", 3, "as a, train line 1"),
        ("same bytes across splits", "val.csv", 3, "as a, train line 1"),
    ]


def test_parts_of_one_file_are_no_repetition_unless_they_are_the_same():
    def parts(split, *rows):
        entries = [
            ListedVideo(split, i, video, label, (), part)
            for i, (video, label, part) in enumerate(rows, start=1)
        ]
        return Listing(Path(f"{split}.csv"), entries, [])

    train = parts("train", ("a", 0, (0.0, 1.0)), ("a", 1, (1.0, 2.0)), ("a", 1, (0.0, 1.0)))
    val = parts("val", ("a", 0, (5.0, 6.0)), ("a", 1, (7.0, 8.0)), ("b", 1, (nan, nan)))
    test = parts("test", ("b", 0, (nan, nan)), ("b", 1, (nan, nan)))
    assert found([train, val, test], {"a": row("a"), "b": row("b")})[0] == [
        ("listed twice", "train.csv", 3, "also train line 1, with label 0 there"),
        ("in two splits", "test.csv", 1, "also val line 3, with label 1 there"),
        ("in two splits", "test.csv", 2, "also val line 3"),
        ("in two splits", "val.csv", 1, "also train line 1"),
    ]
    whole = parts("train", ("a", 0, (nan, nan)), ("a", 1, (1.0, 2.0)))
    assert found([whole], {"a": row("a")})[0] == [
        ("listed twice", "train.csv", 2, "also train line 1, with label 0 there"),
    ]


def test_missing_classes_are_counted_for_each_list():
    lists = [listing("train", ("a", 0), ("b", 3)), listing("val", ("c", 1))]
    rows = {name: row(name) for name in "abc"}
    assert found(lists, rows)[0] == [
        ("class missing", "train.csv", 0, "2 of 4 classes have no video: 1, 2"),
        ("class missing", "val.csv", 0, "3 of 4 classes have no video: 0, 2, 3"),
    ]
    many = found([listing("train", ("a", 0))], {"a": row("a")}, num_classes=400)[0]
    assert many[0][3].startswith("399 of 400 classes have no video: 1, 2, ")
    assert many[0][3].endswith(", 20, ...")


def test_wrong_lines_come_first():
    wrong = Problem("not a line", "train.csv", 9, "", "", "x")
    lists = [listing("train", ("gone", 0))._replace(problems=[wrong])]
    assert [p[0] for p in found(lists, {})[0]] == ["not a line", "missing"]


def test_splits_keep_the_order_of_the_lists():
    lists = [listing("train", ("b", 1), ("a", 0)), listing("test", ("c", 0))]
    histogram = found(lists, {name: row(name) for name in "abc"})[1].histogram
    assert list(histogram) == [0, 1]
    assert list(histogram[0]) == ["train", "test"]
