"""timesformer extract-flow: a known shift in its table, its files and its errors."""

import csv

import numpy as np
import pytest

from tests.video.moving import moving_video


@pytest.fixture
def shift(tmp_path):
    """A list of one video that moves by (3, -2) pixels a frame."""
    moving_video(tmp_path / "a.mp4", 8, (3, -2), height=120, width=160)
    (tmp_path / "test.csv").write_text("a.mp4 0\n")
    return tmp_path / "test.csv"


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("method", ["dis", "farneback"])
def test_the_table_and_the_fields_have_the_known_shift(shift, tmp_path, run_here, method):
    out = tmp_path / "flow"
    status, said, _ = run_here("extract-flow", shift, "--out", out, "--method", method)
    assert status == 0
    assert "test.flow.csv: 1 videos (0 were there), 7 fields" in said
    [row] = rows(out / "test.flow.csv")
    assert (row["fields"], row["width"], row["height"], row["error"]) == ("7", "160", "120", "")
    assert np.abs(np.array([float(row["mean_x"]), float(row["mean_y"])]) - (3, -2)).max() < 0.1
    field = np.load(out / row["file"])["000003"]
    motion = (field.astype(float) - 128) * 2 * 20 / 255
    assert np.abs(np.median(motion, axis=(1, 2)) - (3, -2)).max() < 0.1


def test_the_same_command_has_nothing_to_do(shift, tmp_path, run_here):
    run_here("extract-flow", shift, "--out", tmp_path / "flow")
    status, said, _ = run_here("extract-flow", shift, "--out", tmp_path / "flow")
    assert status == 0
    assert "1 videos (1 were there)" in said


def test_a_video_or_a_folder_may_stand_for_a_list(shift, tmp_path, run_here):
    status, said, _ = run_here("extract-flow", tmp_path / "a.mp4", "--out", tmp_path / "flow")
    assert status == 0
    assert "a.flow.csv: 1 videos" in said


def test_unreadable_videos_end_with_1_and_are_named(shift, tmp_path, run_here):
    (tmp_path / "b.mp4").write_bytes(b"no video")
    shift.write_text("a.mp4 0\nb.mp4 0\n")
    status, said, _ = run_here("extract-flow", shift, "--out", tmp_path / "flow")
    assert status == 1
    assert "unreadable: " in said
    assert [bool(row["error"]) for row in rows(tmp_path / "flow/test.flow.csv")] == [False, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "lk"], "'lk' is not one of 'dis', 'farneback', 'tvl1', 'raft_small'"),
        (["--bound", "0"], "0 must be above 0 pixels"),
        (["--bound", "inf"], "inf must be above 0 pixels and finite"),
        (["--method", "raft_small"], "raft_small needs a file of weights; download https://"),
        (["--method", "raft_small", "--weights", "no.pth"], "no.pth: no such file of weights"),
    ],
)
def test_wrong_options_say_what_to_give(shift, tmp_path, run_here, options, message):
    status, _, errors = run_here("extract-flow", shift, "--out", tmp_path / "flow", *options)
    assert status == 2
    assert message in " ".join(errors.replace("│", " ").split())


def test_other_settings_and_lists_of_one_name_are_refused(shift, tmp_path, run_here):
    out = tmp_path / "flow"
    run_here("extract-flow", shift, "--out", out)
    status, _, errors = run_here("extract-flow", shift, "--out", out, "--method", "farneback")
    assert status == 2
    assert "flow holds flow of method dis, not farneback; use another --out" in errors
    status, _, errors = run_here("extract-flow", shift, shift, "--out", out)
    assert status == 2
    assert "lists need different names" in errors
