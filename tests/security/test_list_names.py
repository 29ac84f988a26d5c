"""Hostile names of videos, classes and cells through every format of prepare: one row a case."""

import csv
import json

import pytest

from timesformer.cli.app import run
from timesformer.datasets.lists import read_kinetics

NAMES = [
    "a b.mp4", "a, b.mp4", 'say "hi".mp4', "#1 goal.mp4", "tab\tin.mp4", " lead.mp4", "u\u2028x\x85.mp4",
    "v\x0bf\x0c\x1c\x1d\x1e.mp4", "caf\udce9.mp4", "clip 3.mp4", "-v.mp4", "=cmd|'C calc'!A0.mp4",
    "<img src=x onerror=alert(1)>.mp4", "\x1b[31mred.mp4", "%s{0}$(touch x);.mp4", "é\u202egpj.mp4",
]  # fmt: skip


@pytest.fixture
def tool():
    return lambda *words: run([str(word) for word in words], name="prepare")


@pytest.fixture
def videos(tmp_path):
    """Videos of every name in the class folders ``run`` and ``sit``, the same in train and val."""
    for split in ("train", "val"):
        for label in ("run", "sit"):
            folder = tmp_path / "videos" / split / label
            folder.mkdir(parents=True)
            for name in NAMES:
                (folder / name).touch()
    return tmp_path / "videos"


def rows(split):
    """(path below the videos, label) of a split."""
    return [(f"{split}/{c}/{name}", k) for k, c in enumerate(("run", "sit")) for name in NAMES]


def write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines), errors="surrogateescape")
    return path


def write_csv(path, lines):
    with open(path, "w", newline="", errors="surrogateescape") as file:
        csv.writer(file).writerows(lines)
    return path


def as_mmaction(folder):
    texts = [write(folder / f"{s}.txt", [f"{n} {k}" for n, k in rows(s)]) for s in ("train", "val")]
    return ["mmaction2", "--train", texts[0], "--val", texts[1]]


def as_csv(folder):
    table = [("path", "label", "split")]
    table += [(name, label, split) for split in ("train", "val") for name, label in rows(split)]
    return ["csv", "--annotations", write_csv(folder / "all.csv", table)]


def as_list(folder):
    names = ("run", "sit")
    lists = [
        write_csv(folder / f"{s}.csv", [(name, names[k]) for name, k in rows(s)])
        for s in ("train", "val")
    ]
    return ["list", "--train", lists[0], "--val", lists[1]]


def as_folders(folder):
    return ["folders"]


@pytest.mark.parametrize("form", [as_folders, as_mmaction, as_csv, as_list])
def test_hostile_names_come_through_every_format(videos, tmp_path, tool, form):
    assert tool(*form(tmp_path), "--videos", videos, "--out", tmp_path / "out") == 0
    for split in ("train", "val"):
        found = read_kinetics(tmp_path / "out", split, prefix="", separator=" ", num_classes=2)
        names = [found.name(i).removeprefix(f"{videos}/") for i in range(len(found.sources))]
        assert found.missing() == []
        assert sorted(zip(names, found.labels.tolist(), strict=True)) == sorted(rows(split))


def test_ucf_hmdb_ssv2_and_kinetics_take_hostile_names_too(tmp_path, tool):
    names = [name for name in NAMES if name.strip() == name]
    folder = tmp_path / "videos"
    (folder / "run").mkdir(parents=True)
    for name in names:
        (folder / "run" / name).touch()
    (tmp_path / "ann").mkdir()
    write(tmp_path / "ann/classInd.txt", ["1 run"])
    write(tmp_path / "ann/trainlist01.txt", [f"run/{name} 1" for name in names])
    write(tmp_path / "ann/testlist01.txt", [f"run/{name}" for name in names])
    marks = [f"{name} {1 + i % 2}" for i, name in enumerate(names)]
    write(tmp_path / "ann/run_test_split1.txt", marks)
    for part in ("train", "validation"):
        ids = [{"id": name, "template": "run"} for name in names]
        write(tmp_path / f"ann/something-something-v2-{part}.json", [json.dumps(ids)])
    write(tmp_path / "ann/something-something-v2-labels.json", ['{"run": "0"}'])
    for form, count in (("ucf101", len(names)), ("hmdb51", len(names) // 2), ("ssv2", len(names))):
        out = tmp_path / form
        assert tool(form, "--videos", folder, "--annotations", tmp_path / "ann", "--out", out) == 0
        found = read_kinetics(out, "test", prefix="", separator=" ", num_classes=1)
        assert (len(found.sources), found.missing()) == (count, [])
    table = [("label", "youtube_id", "time_start", "time_end", "split")]
    table += [("run", name, 0, 1.5, split) for name in names for split in ("train", "val")]
    kinetics = write_csv(tmp_path / "k.csv", table)
    out = tmp_path / "k"
    assert tool("kinetics", "--videos", folder, "--annotations", kinetics, "--out", out) == 0
    found = read_kinetics(out, "train", prefix="", separator=" ", num_classes=1)
    assert (len(found.sources), found.segment(0)) == (len(names), (0, 1.5))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("run/a\nb.mp4", r"a\nb.mp4: a file name with a line end cannot be in a list; rename"),
        ("a\nb/a.mp4", r"a\nb/a.mp4: a file name with a line end cannot be in a list; rename"),
        (" /a.mp4", "class ' ' cannot be a line of classes.txt"),
    ],
)
def test_names_that_a_line_cannot_hold_are_refused(tmp_path, tool, capsys, name, message):
    for split in ("train", "val"):
        (tmp_path / "videos" / split / name).parent.mkdir(parents=True)
        (tmp_path / "videos" / split / name).touch()
    assert tool("folders", "--videos", tmp_path / "videos", "--out", tmp_path / "out") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_class_names_of_other_bytes_become_escapes(tmp_path, tool):
    for split in ("train", "val"):
        (tmp_path / "videos" / split / "caf\udce9").mkdir(parents=True)
        (tmp_path / "videos" / split / "caf\udce9/a.mp4").touch()
    assert tool("folders", "--videos", tmp_path / "videos", "--out", tmp_path / "out") == 0
    found = read_kinetics(tmp_path / "out", "val", prefix="", separator=" ", num_classes=1)
    assert found.class_names == (r"caf\udce9",)
    assert found.missing() == []


@pytest.mark.parametrize("times", [("x", 1), (3, 3), (-1, 2), (0, "inf"), ("nan", 1), (2, 1)])
def test_parts_of_kinetics_that_cannot_be_are_named(tmp_path, tool, capsys, times):
    (tmp_path / "a.mp4").touch()
    table = [
        ("label", "youtube_id", "time_start", "time_end", "split"),
        ("x", "a", *times, "train"),
    ]
    kinetics = write_csv(tmp_path / "k.csv", table)
    assert tool("kinetics", "--videos", tmp_path, "--annotations", kinetics, "--out", tmp_path) == 2
    assert "is not a part of a film; write seconds" in capsys.readouterr().err


def test_class_folders_may_be_links_and_what_is_not_used_is_told(tmp_path, tool, capsys):
    for split in ("train", "val"):
        for label, name in (("run", "a.MTS"), ("sit", "b.3gp"), ("sit", "notes.txt")):
            (tmp_path / "store" / split / label).mkdir(parents=True, exist_ok=True)
            (tmp_path / "store" / split / label / name).touch()
        (tmp_path / "videos" / split).mkdir(parents=True)
        (tmp_path / "videos" / split / "run").symlink_to(tmp_path / "store" / split / "run")
    (tmp_path / "videos/val/sit").symlink_to(tmp_path / "store/val/sit")
    (tmp_path / "videos/train/sit").symlink_to(tmp_path / "store/train/sit")
    (tmp_path / "videos/sit").symlink_to(tmp_path / "videos")
    (tmp_path / "videos/lost.mp4").touch()
    assert tool("folders", "--videos", tmp_path / "videos", "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "not used: 2 .txt: not a video; the first: train/sit/notes.txt\n" in printed
    assert "not used: 1 link(s): lead to a folder above them; the first: sit\n" in printed
    assert "not used: 1 video(s): they have no label; the first: lost.mp4\n" in printed
    found = read_kinetics(tmp_path / "out", "train", prefix="", separator=" ", num_classes=2)
    names = [found.name(i).removeprefix(f"{tmp_path}/videos/train/") for i in range(2)]
    assert sorted(names) == ["run/a.MTS", "sit/b.3gp"]
