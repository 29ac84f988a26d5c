"""Features in a file: those of the Predictor, with what it takes to use them."""

import json
from functools import partial

import numpy as np
import pytest
import torch

from timesformer import Predictor


@pytest.fixture
def tool(run_here):
    return partial(run_here, "features")


@pytest.mark.parametrize(
    ("tokens", "shape"), [("cls", (32,)), ("pooled", (32,)), ("frames", (8, 32))]
)
def test_a_list_gives_features_labels_and_names(tool, weights, data_dir, tmp_path, tokens, shape):
    out = tmp_path / "deep/features.npz"
    (tmp_path / "classes.txt").write_text("dark\ngrey\nlight\n")
    lines = [f"{data_dir}/videos/test {i}.mp4 {i % 3}" for i in range(4)]
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    (tmp_path / "list.csv").write_text("\n".join([*lines[:2], "broken.mp4 0", *lines[2:]]))
    status, printed, err = tool(
        tmp_path / "list.csv", "--weights", weights, "--out", out, "--tokens", tokens
    )
    assert status == 1
    assert "left out: " in err
    assert "broken.mp4" in err
    assert err.endswith("1 of 5 videos could not be read\n")
    sizes = " x ".join(map(str, (4, *shape)))
    assert printed == f"{out}: {sizes} features, {tokens} tokens\n"
    with np.load(out) as file:
        assert file["labels"].tolist() == [0, 1, 2, 0]
        assert file["class_names"].tolist() == ["dark", "grey", "light"]
        paths = file["paths"].tolist()
        assert paths == [line[:-2] for line in lines]
        assert file["features"].dtype == np.float32
        expected = Predictor.from_checkpoint(weights).features(paths, tokens=tokens)
        assert np.allclose(file["features"], expected, atol=1e-5)
        spans = [each.span for each in Predictor.from_checkpoint(weights).predict(paths)]
        assert np.allclose(file["spans"], [span[:2] for span in spans])
        made = json.loads(str(file["made"]))
    assert made["weights"] == str(weights.resolve())
    assert made["tokens"] == tokens
    assert made["preprocessing"]["num_frames"] == 4
    assert made["command"]


def test_class_folders_give_labels(tool, weights, data_dir, tmp_path):
    for i, name in enumerate(("walk", "run")):
        (tmp_path / f"data/{name}").mkdir(parents=True)
        video = (data_dir / f"videos/test {i}.mp4").read_bytes()
        (tmp_path / f"data/{name}/1.mp4").write_bytes(video)
    out = tmp_path / "f.npz"
    assert tool(tmp_path / "data", "--weights", weights, "--out", out)[0] == 0
    with np.load(out) as file:
        assert file["class_names"].tolist() == ["run", "walk"]
        assert file["labels"].tolist() == [0, 1]


def test_an_image_model_will_do(tool, shared, data_dir, tmp_path):
    sizes = ("--set", "DATA.TRAIN_CROP_SIZE", 42, "--set", "DATA.TEST_CROP_SIZE", 42, "--set",
             "DATA.NUM_FRAMES", 2)  # fmt: skip
    weights = shared / "weights/vit_small_patch14.safetensors"
    video, out = data_dir / "videos/test 0.mp4", tmp_path / "f.npz"
    status, _, err = tool(video, "--weights", weights, "--out", out, *sizes)
    assert status == 0
    assert err.startswith("note: no configuration in the file")
    with np.load(out) as file:
        assert file["features"].shape == (1, 384)
        assert file["labels"].tolist() == [-1]
        assert np.isfinite(file["features"]).all()


def test_wrong_input_is_an_error_without_traceback(tool, weights, data_dir, tmp_path):
    (tmp_path / "wrong.csv").write_text("a.mp4 one\n")
    (tmp_path / "lacks.pt").write_bytes(b"")
    video, out = data_dir / "videos/test 0.mp4", ("--out", tmp_path / "f.npz")
    part = torch.load(weights, weights_only=True)
    del part["model_state"]["model.norm.weight"]
    torch.save(part, tmp_path / "part.pyth")
    for words, message in (
        (["none", "--weights", weights, *out], "none: no such file or folder"),
        ([tmp_path / "wrong.csv", "--weights", weights, *out], "wrong.csv:1: 'a.mp4 one' is not"),
        ([video, "--weights", tmp_path / "lacks.pt", *out], "lacks.pt cannot be read"),
        ([video, "--weights", tmp_path / "part.pyth", *out], "are not in the file (norm.weight)"),
        ([video, "--weights", weights, "--out", weights / "f.npz"], "File exists"),
        ([video, "--weights", weights, "--out", "f.txt"], "end the name with it"),
    ):
        status, printed, err = tool(*words)
        assert (status, printed) == (2, ""), words
        assert message in err
        assert "Traceback" not in err


def test_a_list_of_unreadable_videos_gives_no_file(tool, weights, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    status, printed, err = tool(
        tmp_path / "broken.mp4", "--weights", weights, "--out", tmp_path / "f.npz"
    )
    assert (status, printed) == (1, "")
    assert "1 of 1 videos could not be read" in err
    assert not (tmp_path / "f.npz").exists()
