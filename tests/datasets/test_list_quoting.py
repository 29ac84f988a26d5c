"""Lists as Python's csv module, pandas and this package write them are read back exactly."""

import csv
import os
import random
from math import nan

import numpy as np
import pandas as pd
import pytest

from timesformer.datasets.annotations import LocatedClip
from timesformer.datasets.list_lines import parse_row
from timesformer.datasets.list_text import ListError, text_lines
from timesformer.datasets.lists import read_kinetics
from timesformer.datasets.write_lists import row_line, write_lists

NAMES = [
    "a.mp4", "a b.mp4", "a, b.mp4", 'say "hi".mp4', '"', '"quoted"', 'lone" mark.mp4', '"lone.mp4',
    "#1 best dance.mp4", "# shorts.mp4", "tab\tin.mp4", " lead.mp4", "trail.mp4 ", " both, blanks ",
    "u\u2028x.mp4", "u\u2029.mp4", "u\x85y.mp4", "v\x0b.mp4", "f\x0c.mp4", "\x1c\x1d\x1e.mp4", "clip 3",
    "clip 3,5", "clip 1.5 2.5", "clip,1,2", "clip\t7", "a.mp4 1 3.0", "b.mp4 1 2.0 3.0", "-1", "3",
    "3 4", "日本.mp4", "caf\udce9.mp4", "'single'.mp4", "a;b;3", "a::b 2.mp4", "back\\slash.mp4",
    "=1+1.mp4", '""', '"" 3', '"a" 3', '"a",3', "nb\xa0sp.mp4", "id\u3000.mp4", "\ufeffbom.mp4",
    "x" * 200 + ".mp4",
]  # fmt: skip
ALPHABET = "ab3 ,\t\"'#;.\u2028\x85\x0b\x1cé\udce9:=-"


@pytest.fixture(scope="module")
def names():
    """The names above and random ones of their characters."""
    rng = random.Random(0)
    made = {"".join(rng.choices(ALPHABET, k=rng.randint(1, 9))) for _ in range(400)}
    # `a, 3` is taken for the path `a`, as people write it: a comma at the end needs quotes
    made = {name for name in made if name.strip(" \t.") and name.rstrip(" \t")[-1] != ","}
    return [*NAMES, *sorted(made)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, names):
    """A folder with a file of each name."""
    folder = tmp_path_factory.mktemp("videos")
    for name in names:
        (folder / name).touch()
    return folder


def read(folder, split="train"):
    videos = read_kinetics(folder, split, prefix="", separator=" ", num_classes=2**31)
    return [
        (os.path.relpath(videos.name(i), folder), int(videos.labels[i]), videos.segment(i))
        for i in range(len(videos.labels))
    ]


@pytest.mark.parametrize("delimiter", [",", "\t", " "])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_what_csv_and_pandas_write_is_read_back(folder, names, delimiter, quoting):
    expected = [(name, number, None) for number, name in enumerate(names)]
    with open(folder / "train.csv", "w", newline="", errors="surrogateescape") as file:
        csv.writer(file, delimiter=delimiter, quoting=quoting).writerows(
            row[:2] for row in expected
        )
    assert read(folder) == expected
    pd.DataFrame([row[:2] for row in expected]).to_csv(
        folder / "train.csv", sep=delimiter, quoting=quoting, header=False, index=False,
        errors="surrogateescape",
    )  # fmt: skip
    assert read(folder) == expected


def test_what_this_package_writes_is_read_back(folder, names):
    entries = [LocatedClip(folder / name, (i,), "train", nan, nan) for i, name in enumerate(names)]
    times = [(0.0, 1e-7), (1.5, 1e17), (2, 3), (0.1 + 0.2, 7.25)]
    parts = [e._replace(start=s, end=t) for e in entries for s, t in times]
    write_lists(folder, {"train": entries, "val": parts}, [])
    assert read(folder) == [(name, i, None) for i, name in enumerate(names)]
    found = read(folder, "val")
    assert [row[:2] for row in found] == [(n, i) for i, n in enumerate(names) for _ in times]
    assert np.allclose([row[2] for row in found], times * len(names), rtol=0, atol=1e-9)
    line = (folder / "train.csv").read_text(errors="surrogateescape").split("\n")[1]
    assert line == "a b.mp4 1"  # no quotes without need


@pytest.mark.parametrize("separator", ["::", ";", "|"])
def test_quotes_are_rules_of_any_separator(separator):
    for name in ("a b.mp4", f"a{separator}b.mp4", 'say "hi".mp4'):
        quoted = '"' + name.replace('"', '""') + '"'
        assert parse_row(f"{quoted}{separator}3", separator, "").path == name
    assert parse_row(f'"lone.mp4{separator}3', separator, "").path == '"lone.mp4'


def test_quoted_paths_may_have_times_and_several_labels():
    row = parse_row('"say ""hi"", 3",1;2,0.5,2', " ", "")
    assert row == ('say "hi", 3', (1, 2), 0.5, 2.0)
    assert parse_row('"a b"  3', " ", "") == parse_row('"a b" , 3', " ", "")


@pytest.mark.parametrize("name", ["a\nb.mp4", "a\rb.mp4"])
def test_a_name_with_a_line_end_is_refused_by_name(tmp_path, name):
    with pytest.raises(ListError, match=r"a\\[nr]b.mp4: a file name with a line end cannot be in"):
        row_line(name, (1,), nan, nan)
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        with open(tmp_path / "train.csv", "w", newline="") as file:
            csv.writer(file, quoting=quoting).writerow([name, 3])
        with pytest.raises(ListError, match="does not end on its line; a file name with a line"):
            read(tmp_path)


def test_only_real_line_ends_end_a_line():
    assert text_lines("a\nb\r\nc\rd\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029e") == [
        "a", "b", "c", "d\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029e",
    ]  # fmt: skip


def test_a_line_that_begins_with_a_hash_is_a_row_if_it_names_a_file(tmp_path, caplog):
    caplog.set_level("INFO")
    (tmp_path / "#1 goal.mp4").touch()
    (tmp_path / "old.mp4").touch()
    (tmp_path / "train.csv").write_text("#1 goal.mp4 3\n# a comment\n#old.mp4 1\nold.mp4 2\n")
    assert read(tmp_path) == [("#1 goal.mp4", 3, None), ("old.mp4", 2, None)]
    assert "'#old.mp4 1' is taken for a comment: there is no such file" in caplog.text


def test_where_no_file_of_a_list_exists_a_name_with_a_hash_is_missing_like_the_others(tmp_path):
    text = "#1 best dance.mp4 0\n# a.mp4 1\n#/b.mp4 1\n#http://h/c.mp4 1\n#see d 2\ne.mp4 1\n"
    (tmp_path / "train.csv").write_text(text)
    videos = read_kinetics(tmp_path, "train", prefix="", separator=" ", num_classes=2)
    assert list(videos.sources) == videos.missing() == ["#1 best dance.mp4", "e.mp4"]
    (tmp_path / "e.mp4").touch()
    assert read(tmp_path) == [("e.mp4", 1, None)]
    videos = read_kinetics(tmp_path, "train", prefix="memory://x", separator=" ", num_classes=2)
    assert list(videos.sources) == ["memory://x/e.mp4"]


def test_blanks_around_a_path_belong_to_it_only_if_there_is_such_a_file(tmp_path):
    (tmp_path / "there ").touch()
    (tmp_path / "train.csv").write_text(' gone.mp4 , 1\nthere ,2\n" gone ",3\n')
    videos = read_kinetics(tmp_path, "train", prefix="/v", separator=" ", num_classes=4)
    assert list(videos.sources) == ["/v/gone.mp4", "/v/there", "/v/ gone "]
    assert read(tmp_path)[1][0] == "there "
