"""Checkpoints of models of other libraries: windows of detect score as list rows; test, then report."""

import json

import numpy as np
import pytest
import torch

from tests.conftest import CLASS_NAMES, payload
from timesformer.config import load_config
from timesformer.datasets.lists import PackedStrings, VideoList
from timesformer.detection.timeline import read_timeline
from timesformer.inference.predictor import Predictor
from timesformer.models import build_model


@pytest.fixture
def checkpoint(tiny_yaml, tmp_path):
    """(name of the model, a file of random weights)."""
    name, path = "timm/test_resnet+lstm", tmp_path / "model.pyth"
    cfg = load_config(tiny_yaml, ["MODEL.MODEL_NAME", name])
    torch.save(payload(build_model(cfg), cfg.dump(), CLASS_NAMES), path)
    return name, path


def test_a_window_of_detect_scores_as_a_list_row(run_here, checkpoint, numbered_video, tmp_path):
    name, weights = checkpoint
    video, out = numbered_video(75), tmp_path / "detected"
    status, _, error = run_here("detect", video, "--weights", weights, "--stride", 0.5,
                                "--onset", 0.3, "--offset", 0.2, "--out", out, "--page")  # fmt: skip
    assert status == 0, error
    found = read_timeline(out / "video.scores.npz")
    rows = VideoList(
        PackedStrings([str(video)] * len(found.windows)),
        np.zeros(len(found.windows), int),
        "rows",
        (),
        found.windows,
    )
    predictor = Predictor.from_checkpoint(weights, "cpu", views="1x1")
    expected = [each.probabilities.numpy() for each in predictor.predict(rows)]
    assert np.array_equal(found.probabilities, expected)
    assert found.class_names == tuple(CLASS_NAMES)
    assert json.loads((out / "video.json").read_text())["external_data"]["model"] == name


def test_a_test_of_it_has_a_report(run_here, checkpoint, tiny_yaml, tmp_path):
    name, weights = checkpoint
    status, _, error = run_here("test", "--cfg", tiny_yaml, "MODEL.MODEL_NAME", name,
                                "TEST.CHECKPOINT_FILE_PATH", weights,
                                "TEST.NUM_ENSEMBLE_VIEWS", 1, "TEST.NUM_SPATIAL_CROPS", 1)  # fmt: skip
    assert status == 0, error
    assert run_here("report", tmp_path / "out", "--no-frames")[0] == 0
    report = json.loads((tmp_path / "out/report/report.json").read_text())
    found = json.loads((tmp_path / "out/test_results.json").read_text())
    assert report["accuracy"]["top1"]["value"] == pytest.approx(found["top1_acc"])
    assert report["run"]["attention_type"] == name
