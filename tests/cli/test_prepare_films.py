"""From annotated films to lists that are checked and trained on, as a user does it."""

import json

import numpy as np
import pytest

from tests.conftest import frame_number, numbered_frame, write_video
from timesformer.config import load_config
from timesformer.datasets import read_list
from timesformer.datasets.views import select_within
from timesformer.video import read_video

SEGMENTS = {
    "one": ("training", [("wave", 0.5, 1.5), ("bow", 3, 4.5)]),
    "two": ("training", [("bow", 1, 2.2), ("wave", 4, 5)]),
    "three": ("validation", [("wave", 2, 3.5), ("bow", 4, 9)]),
}
FIRST_NUMBERS = (0, 150, 300)  # of the frames, so that no film is a copy of another


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Three films of 6 seconds whose frames carry their numbers, and their annotations."""
    root = tmp_path_factory.mktemp("films")
    for first, name in zip(FIRST_NUMBERS, SEGMENTS, strict=True):
        frames = [numbered_frame(first + i, height=48, width=64) for i in range(180)]
        write_video(root / f"{name}.mp4", frames, options={"g": "12"})
    database = {
        name: {
            "subset": subset,
            "duration": 6.0,
            "annotations": [{"label": label, "segment": [a, b]} for label, a, b in segments],
        }
        for name, (subset, segments) in SEGMENTS.items()
    }
    (root / "truth.json").write_text(json.dumps({"database": database}))
    return root


@pytest.fixture
def prepare(films, tmp_path, run_here):
    def run(*options, form="activitynet"):
        words = [
            "--annotations",
            films / "truth.json",
            "--videos",
            films,
            "--out",
            tmp_path / "out",
        ]
        return (*run_here("prepare", form, *words, *options), tmp_path / "out")

    return run


def test_a_list_from_activitynet_is_checked_and_trained_on(prepare, run_here, tiny_yaml):
    status, text, _, out = prepare("--background", "1.5", "--workers", "1")
    assert status == 0
    assert (out / "classes.txt").read_text() == "bow\nwave\nbackground\n"
    assert "clipped: 1 segment(s) end after their film" in text
    lines = [line.split() for line in text.splitlines()]
    first = next(i for i, line in enumerate(lines) if line[:2] == ["videos", "segments"])
    header, train, val = lines[first : first + 3]
    assert header == ["videos", "segments", "background", "classes", "fewest", "most", "missing"]
    assert train == ["train", "2", "4", "6", "2", "2", "2", "0"]
    assert val == ["val", "1", "2", "2", "2", "1", "1", "0"]
    assert "background: val has 2 of 3 segments; its gaps hold no more" in text
    keys = ["DATA.PATH_TO_DATA_DIR", out, "DATA.NUM_FRAMES", "2"]
    lists = [out / "train.csv", out / "val.csv"]  # test.csv repeats val.csv
    status, text, error = run_here(
        "check", *lists, "--cfg", tiny_yaml, "--strict", "--workers", "1"
    )
    assert status == 0, text + error
    keys += ["GLOBAL_BATCH_SIZE", "4", "SOLVER.MAX_EPOCH", "1", "TEST.ENABLE", "False"]
    status, text, error = run_here("train", "--cfg", tiny_yaml, *keys)
    assert status == 0, text + error
    assert "10 train, 4 val videos, 3 classes (bow, wave, background)" in text + error


def test_every_row_shows_frames_of_its_annotation_or_of_no_annotation(prepare, tiny_yaml):
    _, _, _, out = prepare("--workers", "1")
    for split in ("train", "val"):
        listed = read_list(load_config(tiny_yaml, ["DATA.PATH_TO_DATA_DIR", str(out)]), split)
        for i in range(len(listed.labels)):
            path = listed.files(i)[0]
            select = select_within(
                lambda part: np.array([[0, len(part.pts) - 1]]), *listed.segment(i), name=path
            )
            images = read_video(path, select).images
            name = path.rpartition("/")[2].removesuffix(".mp4")
            zero = FIRST_NUMBERS[[*SEGMENTS].index(name)]
            first, last = ((frame_number(image) - zero) / 30 for image in images)
            of_film = SEGMENTS[name][1]
            label = ("bow", "wave", "background")[listed.labels[i]]
            if label == "background":
                assert all(last < start or end <= first for _, start, end in of_film)
            else:
                assert any(
                    label == name and start <= first <= last < end for name, start, end in of_film
                )


def test_the_ratio_may_be_none_and_is_bounded(prepare):
    status, _, _, out = prepare("--background", "0", "--workers", "1")
    assert status == 0
    assert (out / "classes.txt").read_text() == "bow\nwave\n"
    assert len((out / "train.csv").read_text().splitlines()) == 4
    status, _, error, _ = prepare("--background", "-1")
    assert status == 2
    assert "-1 must be in [0, 100]: background segments for each action" in error


def test_context_makes_rows_longer(prepare):
    _, _, _, out = prepare("--background", "0", "--context", "0.4", "--workers", "1")
    rows = [line.split()[1:] for line in (out / "val.csv").read_text().splitlines()]
    assert rows == [["1", "1.6", "3.9"], ["0", "3.6", "6.0"]]
    status, _, error, _ = prepare("--context", "-1")
    assert status == 2
    assert "-1 must be 0 seconds or more" in error


def test_the_same_seed_gives_the_same_lists(prepare):
    texts = []
    for seed in ("1", "1", "2"):
        _, _, _, out = prepare("--seed", seed, "--workers", "1")
        texts.append((out / "train.csv").read_text())
    assert texts[0] == texts[1] != texts[2]


def test_missing_films_and_unknown_subsets_are_named(prepare, films, tmp_path):
    database = json.loads((films / "truth.json").read_text())["database"]
    path = tmp_path / "more.json"
    path.write_text(json.dumps({"database": {"lost": database["one"] | {"subset": "dev"}}}))
    status, _, error, _ = prepare("--annotations", path)
    assert status == 2
    assert "more.json: lost: subset 'dev' is not one of" in error
    assert "as --subsets dev=train" in error
    status, _, _, out = prepare("--annotations", path, "--subsets", "dev=val", "--workers", "1")
    assert status == 0
    assert (out / "missing.txt").read_text() == "lost\n"
    status, _, error, _ = prepare("--subsets", "dev=dev")
    assert status == 2
    assert "must be NAME=SPLIT,... with train, val or test for each subset" in error
