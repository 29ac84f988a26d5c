"""The command: from a list or a file of features to accuracies; what it refuses."""

import json
from functools import partial

import pytest

from tests.features.made import made_features
from timesformer.features.feature_set import write_features


@pytest.fixture
def tool(run_here):
    return partial(run_here, "few-shot")


@pytest.fixture
def made(tmp_path):
    write_features(tmp_path / "made.npz", made_features((4, 5, 6)))
    return tmp_path / "made.npz"


def test_a_list_and_its_file_of_features_give_the_same(tool, run_here, weights, data_dir, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    lines = [f"{data_dir}/videos/test {i}.mp4 {i % 3}\n" for i in range(9)]
    (tmp_path / "list.csv").write_text("".join([*lines, "broken.mp4 1\n"]))
    (tmp_path / "classes.txt").write_text("dark\ngrey\nlight\n")
    use = ("--weights", weights)
    words = ("--ways", 3, "--shots", 1, 2, "--episodes", 30, "--json")
    status, printed, err = tool(tmp_path / "list.csv", *use, "--cache", tmp_path / "cache", *words)
    assert status == 1
    assert "broken.mp4" in err
    assert err.endswith("1 of 10 videos could not be read\n")
    found = json.loads(printed)
    assert (found["videos"], found["classes"], found["unreadable"]) == (9, 3, 1)
    assert [row["shots"] for row in found["shots"]] == [1, 2]
    assert [row["name"] for row in found["per_class"]] == ["dark", "grey", "light"]
    assert found["shots"][0]["accuracy"] > 0.6  # brightness is easy
    run_here("features", tmp_path / "list.csv", *use, "--out", tmp_path / "f.npz")
    status, printed, _ = tool(tmp_path / "f.npz", *words)
    assert status == 0
    other = json.loads(printed)
    for key in ("shots", "per_class", "nearest_neighbour"):
        assert other[key] == found[key]


def test_it_prints_tables(tool, made):
    status, printed, err = tool(made, "--ways", 3, "--episodes", 20)
    assert (status, err) == (0, "")
    assert printed.startswith("15 videos of 3 classes; cls tokens, cosine, nearest prototype\n")
    assert "3-way 1-shot" in printed
    assert "nearest neighbour" in printed


def test_sequences_are_compared_by_dtw(tool, tmp_path):
    pytest.importorskip("dtaidistance", reason="needs dtaidistance (the extra dtw)")
    write_features(tmp_path / "f.npz", made_features((4, 5, 6), frames=4))
    words = (tmp_path / "f.npz", "--ways", 3, "--distance", "dtw", "--band", 1, "--episodes", 20)
    status, printed, _ = tool(*words)
    assert status == 0
    assert "dtw (band 1), nearest support video" in printed


def test_wrong_input_is_an_error_without_traceback(tool, made, weights, data_dir, tmp_path):
    listed = data_dir / "test.csv"
    for words, message in (
        ([listed], "a list needs --weights FILE; a file of features does not"),
        ([made, "--weights", weights], "holds features already; leave --weights and --tokens out"),
        ([tmp_path / "absent.npz"], "absent.npz cannot be read"),
        ([made, "--distance", "dtw", "--tokens", "cls"], "--tokens cls is one vector a video"),
        ([made, "--distance", "dtw"], "has one vector a video, but dtw compares those of frames"),
        ([made, "--band", 2], "--band is of --distance dtw"),
        ([made, "--ways", 4], "has 3 classes, but --ways 4"),
        ([made, "--ways", 3, "--shots", 1, 4], "name 0 (4); --shots 4 needs 5"),
        ([made, "--ways", 3, "--shots", 0], "numbers of shots begin at 1"),
        ([made, "--ways", 3, "--group", "film"], "has no such column (it has no further columns)"),
        ([made, "--ways", 1], "greater than or equal to 2"),
        ([made, "--episodes", 1], "greater than or equal to 2"),
        ([made, "--distance", "euclid"], "'euclid'"),
    ):
        status, printed, err = tool(*words)
        assert (status, printed) == (2, ""), words
        assert message in err
        assert "Traceback" not in err


def test_a_list_that_is_too_small_is_named_before_a_video_is_read(tool, data_dir, tmp_path):
    lines = (data_dir / "test.csv").read_text().replace("videos/", f"{tmp_path}/absent/")
    (tmp_path / "l.csv").write_text(lines)
    for words, message in (
        (("--ways", 3, "--shots", 9), "--shots 9 needs 10"),
        (("--ways", 4), "has 3 classes, but --ways 4"),
    ):
        status, _, err = tool(tmp_path / "l.csv", "--weights", tmp_path / "absent.pyth", *words)
        assert status == 2
        assert message in err


def test_a_list_without_labels_or_videos_is_an_error(tool, weights, data_dir, tmp_path):
    video = data_dir / "videos/test 0.mp4"
    cache = ("--weights", weights, "--cache", tmp_path / "cache")
    status, _, err = tool(video, *cache)
    assert status == 2
    assert "1 of 1 videos have no label" in err
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    status, _, err = tool(tmp_path / "broken.mp4", *cache)
    assert status == 2
    assert "no video has features; see the reasons above" in err
