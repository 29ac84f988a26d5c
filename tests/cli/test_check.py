"""The check of a data set as a user runs it: what it finds, what it leaves, how it ends."""

import base64
import csv
import os
import re
import shutil
import sys
import time

import cv2
import numpy as np
import pytest

from tests.conftest import run_tool, write_video
from timesformer.cli import check as command
from timesformer.cli.app import run
from timesformer.config import load_config
from timesformer.datasets.scan_index import read_index
from timesformer.io import terminal


def scene(seed, t, size=64):
    """A frame of a smooth random landscape in which a bright square moves."""
    rng = np.random.default_rng(seed)
    ground = cv2.resize(rng.integers(40, 180, (5, 5, 3), np.uint8), (size, size))
    ground[20:32, (t * 2) % (size - 12) : (t * 2) % (size - 12) + 12] = 250
    return ground


def video(path, seed, *, frames=24, codec="libx264", size=64, options=None):
    images = [cv2.resize(scene(seed, t), (size, size)) for t in range(frames)]
    return write_video(path, images, codec=codec, options=options)


@pytest.fixture
def good(tmp_path):
    """Two lists, six sound videos, two classes."""
    folder = tmp_path / "good"
    for split, seeds in (("train", range(4)), ("val", range(4, 6))):
        for seed in seeds:
            video(folder / f"{seed}.mp4", seed)
        (folder / f"{split}.csv").write_text("".join(f"{s}.mp4 {s % 2}\n" for s in seeds))
    return folder


@pytest.fixture
def bad(good):
    """``good`` with one file or line of each kind of problem in train, and copies in val."""
    video(good / "short.mp4", 10, frames=5)
    (good / "text.mp4").write_text("no video")
    empty = video(good / "empty.avi", 11, codec="mpeg4")
    data = empty.read_bytes()
    empty.write_bytes(data[: data.index(b"movi") + 4])
    cut = video(good / "cut.avi", 12, frames=40, codec="mpeg4")
    data = cut.read_bytes()
    cut.write_bytes(data[: (data.index(b"movi") + len(data)) // 2])
    os.mkfifo(good / "hang.mp4")
    shutil.copy(good / "0.mp4", good / "copy.mp4")
    video(good / "recoded.avi", 1, codec="mpeg4", size=48, options={"b": "200k"})
    with (good / "train.csv").open("a") as file:
        file.write("short.mp4 0\ntext.mp4 0\nempty.avi 1\ncut.avi 1\nhang.mp4 0\ngone.mp4 0\n")
        file.write("4.mp4 7\nno label\n0.mp4 0\n")
    with (good / "val.csv").open("a") as file:
        file.write("copy.mp4 0\nrecoded.avi 1\n5.mp4 1\n")
    return good


def check(folder, *options):
    return run([str(folder), "--workers", "2", *map(str, options)], name="check")


def report(folder):
    with (folder / "check/report.csv").open(newline="") as file:
        return [
            (row["kind"], os.path.basename(row["list"]), row["line"])
            for row in csv.DictReader(file)
        ]


def test_a_sound_data_set_has_no_problem(good, capsys):
    assert check(good, "--strict", "--min-frames", 24, "--num-classes", 2) == 0
    printed = capsys.readouterr()
    assert "no problems" in printed.out
    assert "6: 6 scanned, 0 known from the index" in printed.out
    assert "144 frames" in printed.out
    assert "2 (given); the highest label + 1 is 2" in printed.out
    assert not printed.err  # a bar is for terminals


@pytest.mark.parametrize(("options", "shown"), [([], True), (["-q"], False)])
def test_a_terminal_gets_a_bar_unless_quiet(good, capsys, monkeypatch, options, shown):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert check(good, *options) == 0
    assert ("scan: 100%" in capsys.readouterr().err) == shown
    terminal.set_verbosity(0)
    assert report(good) == []
    assert [row.frames for row in read_index(good / "val.csv").values()] == [24, 24]


def test_every_kind_of_problem_is_found(bad, capsys):
    started = time.monotonic()
    assert check(bad, "--timeout", 4, "--min-frames", 20, "--num-classes", 3) == 0
    assert time.monotonic() - started < 60
    assert report(bad) == [
        ("not a line", "train.csv", "12"),
        ("label out of range", "train.csv", "11"),
        ("missing", "train.csv", "10"),
        ("unreadable", "train.csv", "6"),
        ("unreadable", "train.csv", "9"),  # a pipe is refused, not waited for
        ("zero frames", "train.csv", "7"),
        ("truncated", "train.csv", "8"),
        ("too short", "train.csv", "5"),
        ("listed twice", "train.csv", "13"),
        ("listed twice", "val.csv", "5"),
        ("in two splits", "val.csv", "1"),
        ("same bytes across splits", "val.csv", "3"),
        ("looks the same across splits", "val.csv", "4"),
        ("class missing", "train.csv", ""),
        ("class missing", "val.csv", ""),
    ]
    printed = capsys.readouterr().out
    assert "hang.mp4: SourceError: " in printed
    assert "also train line 11, with label 7 there" in printed
    assert "3 (given); the highest label + 1 is 8" in printed


def test_problems_are_status_1_only_with_strict(good):
    (good / "train.csv").write_text("0.mp4 0\ngone.mp4 1\n")
    assert check(good / "train.csv") == 0
    assert check(good / "train.csv", "--strict") == 1


def test_the_page_shows_a_strip_a_class_and_needs_no_other_file(good):
    check(good, "--strips", 1)
    text = (good / "check/report.html").read_text()
    images = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    assert len(images) == 1
    strip = cv2.imdecode(np.frombuffer(base64.b64decode(images[0]), np.uint8), cv2.IMREAD_COLOR)
    assert strip.shape == (72, 4 * 72, 3)
    assert "1 class(es) are not shown" in text
    assert not re.search(r"https?://", text)


def test_a_second_check_scans_what_is_new_or_has_changed(good, capsys):
    def files():
        check(good)
        return re.search(r"files +(.*)", capsys.readouterr().out)[1]

    assert files() == "6: 6 scanned, 0 known from the index"
    assert files() == "6: 0 scanned, 6 known from the index"
    os.utime(good / "0.mp4", ns=(0, 0))
    video(good / "5.mp4", 5, frames=30)
    assert files() == "6: 2 scanned, 4 known from the index"
    assert read_index(good / "val.csv")["5.mp4"].frames == 30


def test_again_forgets_problems(good, capsys):
    (good / "train.csv").write_text("text.mp4 0\n0.mp4 1\n")
    (good / "text.mp4").write_text("no video")
    check(good / "train.csv")
    check(good / "train.csv", "--again")
    assert "2: 1 scanned, 1 known" in capsys.readouterr().out


def test_the_configuration_gives_clip_length_classes_and_prefix(good, tiny_yaml, tmp_path, capsys):
    text = tiny_yaml.read_text().replace("DATA:", f"DATA:\n  PATH_PREFIX: {good}")
    tiny_yaml.write_text(text)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/train.csv").write_text("0.mp4 0\n1.mp4 1\n2.mp4 3\n")
    video(good / "1.mp4", 1, frames=15)  # the clip spans 4 x 4 frames
    check(tmp_path / "elsewhere", "--cfg", tiny_yaml)
    found = report(tmp_path / "elsewhere")
    assert ("label out of range", "train.csv", "3") in found
    assert ("too short", "train.csv", "2") in found
    assert ("too short", "train.csv", "1") not in found
    assert not any(kind == "missing" for kind, *_ in found)
    printed = capsys.readouterr().out
    assert "too short: 1 of 3 videos of train.csv are shorter than a clip of 0.5 s\n" in printed
    assert printed.count("too short: ") == 2  # and the line of its kind
    assert re.search(
        r"clip length +DATA\.SAMPLING_RATE 3: clips of 0\.4 s \(SAMPLING_RATE 3\): 100 % of 3 ",
        printed,
    )


def test_the_clip_length_that_is_advised_is_taken_by_a_run(good, tiny_yaml, capsys):
    """24 frames at 30 a second hold 8 frames at rate 3; a part of a file counts as such."""
    check(good)
    found = re.search(r"clip length +(\S+) (\d+) for (\S+) (\d+): ", capsys.readouterr().out)
    assert found.groups() == ("DATA.SAMPLING_RATE", "3", "DATA.NUM_FRAMES", "8")
    cfg = load_config(tiny_yaml, found.groups())
    assert (cfg.DATA.SAMPLING_RATE, cfg.DATA.NUM_FRAMES) == (3, 8)
    assert "clip length" in (good / "check/report.html").read_text()
    (good / "train.csv").write_text("0.mp4 0 0.0 0.3\n1.mp4 1 0.5 0.8\n")
    check(good)
    assert "DATA.SAMPLING_RATE 1 for DATA.NUM_FRAMES 8: clips of 0.3 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.csv"], "list gone.csv does not exist; check the path"),
        (["."], "has no train.csv, val.csv or test.csv"),
        (["words.csv"], "words.csv: none of its lines is `path label`"),
        (["list.csv", "--cfg", "gone.yaml"], "gone.yaml"),
        (["list.csv", "--out", "list.csv"], "File exists"),
        (["stale.csv"], "stale.csv.index.csv is not an index"),
    ],
)
def test_unusable_input_is_status_2(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.csv").write_text("words\n")
    (tmp_path / "list.csv").write_text("a.mp4 0\n")
    (tmp_path / "stale.csv").write_text("a.mp4 0\n")
    (tmp_path / "stale.csv.index.csv").write_text("nonsense\n")
    assert run(arguments, name="check") == 2
    error = capsys.readouterr().err
    assert error.startswith("timesformer: error: ")
    assert message in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--timeout", "0"], "'--timeout': 0 must be more than 0 seconds"),
        (["--workers", "0"], "Invalid value for '--workers' / '--jobs'"),
        (["--min-frames", "x"], "Invalid value for '--min-frames': "),
        (["--strips", "-1"], "Invalid value for '--strips': "),
    ],
)
def test_wrong_options_are_status_2(options, message, capsys):
    assert run(["train.csv", *options], name="check") == 2
    assert message in capsys.readouterr().err


def test_an_interruption_is_status_130_and_says_how_to_go_on(good, monkeypatch, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "bar", interrupt)
    assert check(good) == 130
    assert "the same command resumes" in capsys.readouterr().err


def test_the_command_line_works_from_elsewhere(good, tmp_path):
    result = run_tool("check_data.py", good / "train.csv", good / "val.csv", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "no problems" in result.stdout
    assert (good / "check/report.html").exists()
    assert "Traceback" not in result.stderr


def test_real_videos_are_sound(shared, tmp_path):
    """Real files have no problem but their length; the counts are those of the manifest."""
    with (shared / "videos/manifest.csv").open() as file:
        rows = list(csv.DictReader(file))[::6]
    lines = [f"{shared / 'videos' / row['file']} 0\n" for row in rows]
    (tmp_path / "train.csv").write_text("".join(lines))
    assert check(tmp_path, "--strict") == 0
    index = read_index(tmp_path / "train.csv")
    counts = {os.path.basename(key): row.frames for key, row in index.items()}
    assert counts == {row["file"]: int(row["frames_decoded"]) for row in rows}
