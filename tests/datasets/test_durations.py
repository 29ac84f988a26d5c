"""Lengths of videos without decoding, and the clips that fit, against naive counts."""

import numpy as np
import pytest

from tests.conftest import numbered_frame, write_video
from timesformer.config import load_config
from timesformer.datasets import read_list
from timesformer.datasets.durations import (
    build_clip_shape,
    build_durations,
    fit_clips,
    fitting_rate,
)
from timesformer.datasets.scan_index import ScanRow, file_state, write_index
from timesformer.video.sampling import ClipShape


@pytest.fixture
def listed(tmp_path, tiny_yaml):
    """(cfg, videos): of 2 s, 1 s, a part of it, a frame folder, one that is broken, 0.4 s."""
    for name, count, fps in (("two", 60, 30), ("one", 25, 25), ("short", 10, 25)):
        write_video(tmp_path / f"{name}.mp4", (numbered_frame(i) for i in range(count)), fps=fps)
    (tmp_path / "frames").mkdir()
    for i in range(45):
        (tmp_path / f"frames/img_{i:03d}.png").touch()
    (tmp_path / "broken.mp4").write_text("no video")
    (tmp_path / "train.csv").write_text(
        "two.mp4 0\none.mp4 1\ntwo.mp4 1 0.5 1.25\nframes 0\nbroken.mp4 0\nshort.mp4 2\n"
    )
    cfg = load_config(tiny_yaml, ["DATA.PATH_TO_DATA_DIR", str(tmp_path)])
    return cfg, read_list(cfg, "train")


def test_lengths_are_those_of_files_and_parts_and_frames(listed):
    found = build_durations(*listed)
    assert found == pytest.approx([2.0, 1.0, 0.75, 1.5, np.nan, 0.4], abs=1e-3, nan_ok=True)


def test_the_index_spares_the_listing(listed, tmp_path, monkeypatch):
    cfg, videos = listed
    size, mtime = file_state(str(tmp_path / "two.mp4"))
    facts = {name: kind() for name, kind in ScanRow.__annotations__.items()}
    row = ScanRow(**facts | {"path": "two.mp4", "size": size, "mtime_ns": mtime, "frames": 60,
                         "fps": 30.0, "duration_seconds": 2.5})  # fmt: skip
    write_index(tmp_path / "train.csv", [row, row._replace(path="one.mp4")])
    found = build_durations(cfg, videos)
    assert found[:3].tolist() == pytest.approx([2.5, 1.0, 0.75], abs=1e-3)


@pytest.mark.parametrize("most", [1, 8, 32])
def test_the_highest_rate_that_nine_of_ten_videos_hold(most):
    rng = np.random.default_rng(most)
    for _ in range(20):
        seconds = rng.uniform(0.2, 12, size=rng.integers(1, 40))
        shape = ClipShape(8, most, 30)
        expected = 1
        for rate in range(1, most + 1):
            held = sum(8 * rate / 30 <= each for each in seconds)
            expected = rate if held / len(seconds) >= 0.9 else expected
        assert fitting_rate(seconds, shape) == expected


def test_a_video_exactly_as_long_as_a_clip_holds_it():
    seconds = np.array([64 / 30] * 9 + [0.1])
    assert fitting_rate(seconds, ClipShape(8, 32, 30)) == 8
    assert str(fit_clips(seconds, ClipShape(8, 8, 30))) == (
        "clips of 2.1 s (SAMPLING_RATE 8): 90 % of 10 videos hold one; median 2.1 s"
    )


def test_segments_have_no_clip_length(tiny_yaml):
    assert build_clip_shape(load_config(tiny_yaml, ["TRAIN.DATASET", "ssv2"])) is None
    assert build_clip_shape(load_config(tiny_yaml)) is not None
