"""The command: the path of two videos, and what it refuses."""

import csv
import sys
from functools import partial

import pytest

from timesformer.features.distances import align
from timesformer.features.frame_features import build_frame_features
from timesformer.inference.predictor import Predictor


@pytest.fixture
def tool(run_here):
    pytest.importorskip("dtaidistance", reason="needs dtaidistance (the extra dtw)")
    return partial(run_here, "align")


def test_the_path_is_printed_and_written(tool, weights, data_dir, tmp_path):
    videos = [str(data_dir / f"videos/test {i}.mp4") for i in range(2)]
    words = (*videos, "--weights", weights, "--out", tmp_path / "out")
    status, printed, err = tool(*words, "--band", 2)
    assert status == 0
    assert err.endswith(f"picture: {tmp_path}/out/alignment.png\n")
    predictor = Predictor.from_checkpoint(weights)
    a, b = (build_frame_features(predictor, video) for video in videos)
    found = align(a.vectors, b.vectors, band=2)
    same = align(a.vectors, b.vectors, band=0)
    lines = printed.splitlines()
    assert lines[0].startswith(f"{videos[0]}: 4 frames, 0.")
    assert lines[2].startswith(
        f"distance {found.distance:.4f}, {same.distance:.4f} without warping"
    )
    with (tmp_path / "out/alignment.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["frame_a"]), int(row["frame_b"])) for row in rows] == found.path
    for row, cost in zip(rows, found.costs, strict=True):
        assert float(row["cosine"]) == pytest.approx(1 - cost, abs=1e-5)
        assert float(row["seconds_a"]) == pytest.approx(a.seconds[int(row["frame_a"])], abs=1e-3)
    assert (tmp_path / "out/alignment.png").read_bytes().startswith(b"\x89PNG")


def test_wrong_input_is_an_error_without_traceback(tool, weights, data_dir, tmp_path, monkeypatch):
    one, other = (str(data_dir / f"videos/test {i}.mp4") for i in range(2))
    use = ("--weights", weights)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    for words, message in (
        ([one, other, *use, "--views", "2x1"], "align takes one view of each whole video"),
        ([one, data_dir / "videos", *use], "videos; give two"),
        ([one, "absent.mp4", *use], "absent.mp4: no such file or folder"),
        ([one, tmp_path / "broken.mp4", *use], "broken.mp4"),
        ([one, other, *use, "--band", -1], "greater than or equal to 0"),
    ):
        status, printed, err = tool(*words)
        assert (status, printed) == (2, ""), words
        assert message in err
        assert "Traceback" not in err
    monkeypatch.setitem(sys.modules, "dtaidistance", None)
    status, _, err = tool(one, other, *use)
    assert status == 2
    assert "needs dtaidistance; install it: pip install -e '.[dtw]'" in err
