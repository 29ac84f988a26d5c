"""Lists from other formats as a user makes them, and training on what comes out."""

import shutil
from typing import get_args

import av
import pytest

from tests.conftest import numbered_frame, run_tool, write_video
from timesformer.cli.prepare import Format
from timesformer.config import load_config
from timesformer.datasets import read_list
from timesformer.datasets.annotation_formats import ANNOTATION_FORMATS
from timesformer.datasets.film_formats import FILM_FORMATS
from timesformer.datasets.lists import read_kinetics


def prepare(*arguments):
    return run_tool("prepare_data.py", *arguments)


@pytest.fixture
def refuse(run_here):
    """Run the command in this process, which is quicker; returns its error message."""

    def run(*arguments):
        status, _, error = run_here("prepare", *arguments)
        assert status == 2
        return error

    return run


def test_the_formats_of_the_help_are_those_of_the_package():
    assert (*ANNOTATION_FORMATS, *FILM_FORMATS) == get_args(Format)


def videos_of(folder, split, num_classes, **kwargs):
    """(file name, label text, segment) of each line."""
    found = read_kinetics(
        folder, split, prefix="", separator=" ", num_classes=num_classes, **kwargs
    )
    assert found.missing() == []
    return [
        (found.sources[i].rpartition("/")[2], found.label_text(i), found.segment(i))
        for i in range(len(found.sources))
    ]


@pytest.fixture
def tiny(tmp_path):
    """Two class folders of three videos, 48 x 32; one of each called a."""
    folder = tmp_path / "my videos"
    for label in ("run", "sit down"):
        for name in "abc":
            frames = [numbered_frame(i, height=32, width=48) for i in range(12)]
            write_video(folder / label / f"{name}.mp4", frames)
    return folder


def test_a_folder_of_class_folders_becomes_lists(tiny, tmp_path):
    out = tmp_path / "out"
    done = prepare("folders", "--videos", tiny, "--out", out)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.iterdir()) == [
        "classes.txt", "test.csv", "train.csv", "val.csv",
    ]  # fmt: skip
    parts = {split: videos_of(out, split, 2) for split in ("train", "val", "test")}
    for part in parts.values():
        assert [label for _, label, _ in part] == ["0", "1"]
    names = sorted((label, name) for part in parts.values() for name, label, _ in part)
    assert names == [(label, f"{name}.mp4") for label in "01" for name in "abc"]
    assert (out / "classes.txt").read_text() == "run\nsit down\n"
    table = done.stdout.splitlines()
    assert table[0].split() == ["videos", "classes", "fewest", "most", "missing"]
    assert table[1].split() == ["train", "2", "2", "1", "1", "0"]
    assert "missing: 0; not re-encoded: 0" in done.stdout
    assert "MODEL.NUM_CLASSES 2" in done.stdout


def test_the_k400_tiny_walk_through_is_one_command(tiny, tmp_path, tiny_yaml):
    root = tmp_path / "kinetics400_tiny"
    lists = {"train": [("run", "a", 0), ("sit down", "b", 1)], "val": [("run", "c", 0)]}
    for split, clips in lists.items():
        (root / split).mkdir(parents=True)
        lines = []
        for folder, name, label in clips:
            shutil.copy(tiny / folder / f"{name}.mp4", root / split / f"{split}_{name}.mp4")
            lines.append(f"{split}_{name}.mp4 {label}\n")
        lines.append("unavailable.mp4 1\n")
        (root / f"kinetics_tiny_{split}_video.txt").write_text("".join(lines))
    out = tmp_path / "out"
    done = prepare("mmaction2", "--videos", root, "--out", out,
                   "--train", root / "kinetics_tiny_train_video.txt",
                   "--val", root / "kinetics_tiny_val_video.txt")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert videos_of(out, "train", 2) == [("train_a.mp4", "0", None), ("train_b.mp4", "1", None)]
    assert videos_of(out, "val", 2) == videos_of(out, "test", 2) == [("val_c.mp4", "0", None)]
    assert "missing: 2; not re-encoded: 0" in done.stdout
    assert (out / "missing.txt").read_text() == "unavailable.mp4\nunavailable.mp4\n"
    overrides = ["DATA.PATH_TO_DATA_DIR", str(out), "MODEL.NUM_CLASSES", "2"]
    assert len(read_list(load_config(tiny_yaml, overrides), "train").labels) == 2


def test_kinetics_parts_and_several_labels_reach_the_lists(tiny, tmp_path):
    (tmp_path / "k.csv").write_text(
        "label,youtube_id,time_start,time_end,split\nsit down,a,2,4.5,train\nrun,b,0,1,validate\n"
    )
    out = tmp_path / "k"
    done = prepare("kinetics", "--videos", tiny, "--out", out, "--annotations", tmp_path / "k.csv")
    assert done.returncode == 0, done.stderr
    (line,) = (out / "train.csv").read_text().splitlines()
    assert line == f"{tiny}/sit down/a.mp4 1 2.0 4.5"
    assert videos_of(out, "train", 2) == [("a.mp4", "1", (2, 4.5))]
    (tmp_path / "m.txt").write_text("sit down/a.mp4 1 3\nrun/b.mp4 0\n")
    options = ["--train", tmp_path / "m.txt", "--val", tmp_path / "m.txt"]
    done = prepare("mmaction2", "--videos", tiny, "--out", tmp_path / "m", *options)
    assert "MODEL.NUM_CLASSES 4\nDATA.MULTI_LABEL True MODEL.LOSS_FUNC bce_logit" in done.stdout
    found = videos_of(tmp_path / "m", "train", 4, multi_label=True)
    assert found == [("a.mp4", "1;3", None), ("b.mp4", "0", None)]


def test_resizing_goes_on_where_it_stopped_and_leaves_out_what_fails(tiny, tmp_path):
    (tiny / "run/d.mp4").write_text("no video")
    out = tmp_path / "out"
    command = ["folders", "--videos", tiny, "--out", out, "--resize", 16, "--jobs", 2]
    done = prepare(*command)
    assert done.returncode == 1
    assert "run/d.mp4: cannot be re-encoded" in (out / "failed.txt").read_text()
    assert "missing: 0; not re-encoded: 1" in done.stdout
    assert "video/s" not in done.stderr  # a bar is for terminals
    small = sorted((out / "videos-16").rglob("*.*"))
    assert [path.relative_to(out / "videos-16").as_posix() for path in small] == [
        f"{label}/{name}.mp4" for label in ("run", "sit down") for name in "abc"
    ]
    for path in small:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert (stream.width, stream.height, stream.frames) == (24, 16, 12)
    lines = (out / "train.csv").read_text().splitlines()
    assert all(line.startswith("videos-16/") for line in lines)
    videos_of(out, "train", 2)
    before = {path: path.stat().st_mtime_ns for path in small}
    small[0].unlink()
    shutil.copy(tiny / "run/a.mp4", tiny / "run/d.mp4")
    done = prepare(*command)
    assert done.returncode == 0, done.stderr
    assert not (out / "failed.txt").exists()
    after = {path: path.stat().st_mtime_ns for path in small}
    assert [path for path in small if after[path] != before[path]] == small[:1]


def test_videos_that_differ_in_their_suffix_stay_apart_when_resized(tmp_path):
    videos = tmp_path / "videos"
    for split in ("train", "val"):
        for name in ("a.mp4", "a.mkv"):
            write_video(videos / split / "run" / name, [numbered_frame(3)] * 4)
    done = prepare("folders", "--videos", videos, "--out", tmp_path / "out", "--resize", 32)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").rglob("train/run/*")) == [
        "a.mkv.mp4",
        "a.mp4.mp4",
    ]


@pytest.fixture
def bad(tiny, tmp_path):
    """Inputs that cannot be used."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "flat").mkdir()
    shutil.copy(tiny / "run/a.mp4", tmp_path / "flat/a.mp4")
    shutil.copytree(tiny, tmp_path / "single")
    for name in "bc":
        (tmp_path / f"single/run/{name}.mp4").unlink()
    (tmp_path / "frames/train/x/clip").mkdir(parents=True)
    (tmp_path / "frames/train/x/clip/img_1.jpg").touch()
    shutil.copytree(tmp_path / "frames/train", tmp_path / "frames/val")
    (tmp_path / "names.txt").write_text("run\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["folders", "--videos", "nowhere"],
            "nowhere is not a folder; pass the folder of the videos",
        ),
        (
            ["folders", "--videos", "empty"],
            "holds no video file and no frame folder; check --videos",
        ),
        (["folders", "--videos", "flat"], "has no class folders with videos"),
        (
            ["folders", "--videos", "single"],
            "run has 1 video(s) in 1 group(s), but train and val and",
        ),
        (["csv", "--videos", "single", "--annotations", "no.csv"], "no.csv does not exist"),
        (["ucf101", "--videos", "single", "--annotations", "empty"], "classInd.txt does not exist"),
        (["folders", "--videos", "frames", "--resize", "64"], "works on video files, but"),
        (
            ["folders", "--videos", "my videos", "--classes", "k401"],
            "no class names of 'k401' ship",
        ),
        (
            ["folders", "--videos", "my videos", "--classes", "names.txt"],
            "'sit down' is not one of",
        ),
        (
            ["folders", "--videos", "my videos", "--val-share", "0", "--test-share", "0"],
            "no video for",
        ),
        (
            ["folders", "--videos", "my videos", "--val-share", "2"],
            "'--val-share': 2.0 must be in [0, 1)",
        ),
        (
            ["folders", "--videos", "my videos", "--jobs", "0"],
            "Invalid value for '--workers' / '--jobs'",
        ),
        (["ava", "--videos", "my videos"], "'ava' is not one of"),
    ],
)
def test_input_that_cannot_be_used_is_named(bad, refuse, arguments, message):
    given = [bad / word if (bad / word).exists() else word for word in arguments]
    assert message in refuse(*given, "--out", bad / "out")
    assert not (bad / "out").exists()


def test_labels_without_a_name_and_out_within_videos_are_named(bad, tiny, refuse):
    (bad / "m.txt").write_text("run/a.mp4 3\n")
    lists = ["--train", bad / "m.txt", "--val", bad / "m.txt", "--classes", bad / "names.txt"]
    message = refuse("mmaction2", "--videos", tiny, "--out", bad / "out", *lists)
    assert "label 3 has no name: --classes names 1 classes" in message
    message = refuse("folders", "--videos", tiny, "--out", tiny / "out", "--resize", 16)
    assert "lies in --videos" in message


def test_resizing_that_leaves_nothing_is_an_error(tmp_path):
    for split in ("train", "val"):
        (tmp_path / f"videos/{split}/run").mkdir(parents=True)
        (tmp_path / f"videos/{split}/run/{split}.mp4").write_text("no video")
    done = prepare("folders", "--videos", tmp_path / "videos", "--out", tmp_path / "out",
                   "--resize", 64)  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "re-encoding left a list empty; the first:" in done.stderr
