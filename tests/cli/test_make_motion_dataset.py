"""The promise of the motion data set: only the order of frames tells the classes apart."""

import hashlib
import json

import numpy as np
import pytest
import torch

from tests.conftest import run_tool
from timesformer.config import load_config
from timesformer.datasets import build_loader
from timesformer.datasets.build import build_normalizer
from timesformer.models import build_model
from timesformer.video import read_video

SMALL = ["--train", "8", "--val", "4", "--test", "8", "--size", "32"]


@pytest.fixture(scope="module")
def motion(tmp_path_factory):
    folder = tmp_path_factory.mktemp("motion")
    result = run_tool("make_motion_dataset.py", folder, *SMALL, "--workers", "2")
    assert result.returncode == 0, result.stderr
    return folder


def frames(path):
    return read_video(path, lambda timeline: np.arange(len(timeline.pts))[None]).images


def rows(folder, split):
    lines = (folder / f"{split}.csv").read_text().splitlines()
    return [(folder / line.split()[0], int(line.split()[1])) for line in lines]


def test_lists_are_balanced_and_name_existing_files(motion):
    assert (motion / "classes.txt").read_text().split() == ["right", "left", "down", "up"]
    for split, count in (("train", 8), ("val", 4), ("test", 8)):
        listed = rows(motion, split)
        assert sorted(label for _, label in listed) == sorted(list(range(4)) * (count // 4))
        assert all(path.is_file() for path, _ in listed)


def test_every_video_has_its_exact_reversal_in_the_opposite_class(motion):
    listed = rows(motion, "test")
    for (path, label), (other, opposite) in zip(listed[::2], listed[1::2], strict=True):
        assert {label, opposite} in ({0, 1}, {2, 3})
        assert np.array_equal(frames(path), frames(other)[::-1])
        assert len(frames(path)) == 36


def test_the_class_is_the_direction_of_motion(motion):
    for path, label in rows(motion, "test"):
        video = frames(path).astype(float).mean(axis=-1)
        ink = np.clip(video - video.mean(axis=0), 0, None) ** 2  # what moves, bright
        y, x = np.mgrid[:32, :32]
        total = ink.sum(axis=(1, 2))
        dx, dy = (((ink * axis).sum(axis=(1, 2)) / total)[[0, -1]] @ [-1, 1] for axis in (x, y))
        assert [dx > 4, dx < -4, dy > 4, dy < -4].index(True) == label


def test_a_model_blind_to_order_is_right_on_at_most_half(motion):
    cfg = load_config(
        "configs/Motion/spaceOnly_6x6_32.yaml",
        ["DATA.PATH_TO_DATA_DIR", str(motion), "DATA_LOADER.NUM_WORKERS", "0"],
    )
    torch.manual_seed(0)
    model, normalize = build_model(cfg).eval(), build_normalizer(cfg)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    for batch in build_loader(cfg, "test"):
        logits = model(normalize(batch.clips))
        assert torch.allclose(logits[::2], logits[1::2], atol=1e-4)


def digest(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_content_depends_on_the_seed_and_not_on_the_workers(motion, tmp_path):
    run_tool("make_motion_dataset.py", tmp_path / "one", *SMALL, "--workers", "1")
    assert digest(tmp_path / "one") == digest(motion)
    run_tool("make_motion_dataset.py", tmp_path / "other", *SMALL, "--seed", "1")
    first = rows(tmp_path / "other", "test")[0][0]
    assert not np.array_equal(frames(first), frames(rows(motion, "test")[0][0]))


def test_a_complete_set_is_left_alone_and_another_one_is_not_overwritten(motion):
    before = digest(motion)
    again = run_tool("make_motion_dataset.py", motion, *SMALL)
    assert "complete already, nothing to do" in again.stdout
    other = run_tool("make_motion_dataset.py", motion, *SMALL, "--seed", "5")
    assert other.returncode != 0
    assert "choose another folder or delete this one" in other.stderr
    assert digest(motion) == before


def test_an_interrupted_set_has_no_lists_and_is_made_again(motion, tmp_path):
    partial = tmp_path / "partial"
    (partial / "train").mkdir(parents=True)
    (partial / "train/00000.mp4").write_bytes(b"half")
    assert run_tool("make_motion_dataset.py", partial, *SMALL).returncode == 0
    assert digest(partial) == digest(motion)
    assert json.loads((partial / "motion.json").read_text())["train"] == 8


def test_films_are_added_to_a_complete_set(tmp_path, run_here):
    small = [*SMALL, "--train", "4", "--test", "4", "--workers", "1"]
    films = ["--untrimmed", "2", "--film-seconds", "9"]
    assert run_here("make-motion-dataset", tmp_path, *small)[0] == 0
    clips = digest(tmp_path)
    status, out, _ = run_here("make-motion-dataset", tmp_path, *small, *films)
    assert (status, out) == (0, "")
    made = digest(tmp_path)
    assert {str(path) for path in made.keys() - clips.keys()} == {
        "untrimmed.json", "untrimmed/film_0000.mp4", "untrimmed/film_0001.mp4"
    }  # fmt: skip
    assert clips.items() <= made.items()
    assert len(frames(tmp_path / "untrimmed/film_0001.mp4")) == 270
    _, out, _ = run_here("make-motion-dataset", tmp_path, *small, *films)
    assert "complete already, nothing to do" in out
    assert digest(tmp_path) == made


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--train", "6"], "6 must be at least 4 and a multiple of 4: the four classes"),
        (["--size", "33"], "33 must be at least 32 and a multiple of 2: yuv420p"),
        (["--frames", "1"], "1 must be at least 2: a single frame shows no motion"),
        (["--seed", "-1"], "-1 must be at least 0"),
        (["--workers", "0"], "0 must be at least 1"),
        (["--untrimmed", "-1"], "-1 must be at least 0: 0 writes none"),
        (["--film-seconds", "0"], "0 must be more than 0 seconds"),
        (["--untrimmed", "1", "--film-seconds", "5"], "--film-seconds 5 cannot be: an action"),
    ],
)
def test_bad_arguments_are_named_with_rule_and_remedy(tmp_path, options, message):
    result = run_tool("make_motion_dataset.py", tmp_path / "set", *options)
    assert result.returncode == 2
    assert message in result.stderr
    assert not (tmp_path / "set").exists()
