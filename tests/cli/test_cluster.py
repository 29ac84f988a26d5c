"""The command: clusters of a list or of a file of features, and what it refuses."""

import json
from functools import partial

import pytest

from tests.features.made import made_features
from timesformer.features.feature_set import write_features


@pytest.fixture
def tool(run_here):
    return partial(run_here, "cluster")


@pytest.fixture
def made(tmp_path):
    write_features(tmp_path / "made.npz", made_features((4, 5, 6)))
    return tmp_path / "made.npz"


def test_a_list_is_clustered_and_shown(tool, weights, data_dir, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    lines = [f"{data_dir}/videos/test {i}.mp4 {i % 3}\n" for i in range(6)]
    (tmp_path / "list.csv").write_text("".join([*lines, "broken.mp4 1\n"]))
    cache = ("--weights", weights, "--cache", tmp_path / "cache")
    words = (tmp_path / "list.csv", *cache, "--out", tmp_path / "out")
    status, printed, err = tool(*words)
    assert status == 1
    assert "1 of 7 videos could not be read" in err
    assert err.endswith(f"page: {tmp_path}/out/index.html\n")
    assert printed.startswith(
        "6 videos of 3 classes in 3 clusters; cls tokens of model.pyth, cosine"
    )
    assert "data:image/jpeg" in (tmp_path / "out/index.html").read_text()
    status, printed, _ = tool(*words, "--no-frames", "--json")
    assert "data:image/jpeg" not in (tmp_path / "out/index.html").read_text()
    found = json.loads(printed)
    assert (found["unreadable"], found["kind"]) == (1, "clusters")
    assert found == json.loads((tmp_path / "out/clusters.json").read_text())


def test_a_folder_without_classes_needs_a_number(tool, weights, data_dir, tmp_path):
    use = ("--weights", weights, "--cache", tmp_path / "cache", "--no-frames")
    source = str(data_dir / "videos/test [0-3].mp4")
    status, _, err = tool(source, *use)
    assert status == 2
    assert "not all videos have labels, so say --clusters K" in err
    status, printed, _ = tool(source, *use, "--clusters", 2)
    assert status == 0
    assert printed.startswith("4 videos in 2 clusters")


def test_wrong_input_is_an_error_without_traceback(tool, made, tmp_path):
    (tmp_path / "file").write_text("")
    for words, message in (
        ([made, "--clusters", 16], "has 15 videos with features, too few for --clusters 16"),
        ([made, "--clusters", 1], "greater than or equal to 2"),
        ([made, "--band", 1], "--band is of --distance dtw"),
        ([made, "--group", "film"], "has no such column"),
        ([made, "--no-frames", "--out", tmp_path / "file"], "cannot be written"),
    ):
        status, _, err = tool(*words)
        assert status == 2, words
        assert message in err
        assert "Traceback" not in err
