"""Frames of a whole video: features are those of the Predictor, pictures those of the decoder."""

import numpy as np
import pytest
import torch

from tests.conftest import frame_number
from timesformer import Predictor
from timesformer.features.feature_set import unit
from timesformer.features.frame_features import build_frame_features
from timesformer.video import VideoError


@pytest.fixture
def weights(trained):
    return trained()[1]


def test_features_are_those_of_segments(weights, data_dir):
    video = str(data_dir / "videos/test 3.mp4")
    found = build_frame_features(Predictor.from_checkpoint(weights), video)
    keys = ["TEST.DATASET", "ssv2", "TEST.NUM_ENSEMBLE_VIEWS", "1", "TEST.NUM_SPATIAL_CROPS", "1"]
    expected = Predictor.from_checkpoint(weights, overrides=keys).features(video, tokens="frames")
    assert np.allclose(found.vectors, unit(expected.numpy().astype(np.float64)), atol=1e-5)
    assert found.vectors.shape == (4, 32)


def test_pictures_and_times_are_those_of_the_frames(weights, numbered_video):
    video = str(numbered_video(40, fps=10))
    found = build_frame_features(Predictor.from_checkpoint(weights), video)
    numbers = [frame_number(image) for image in found.images]
    assert np.allclose(np.array(numbers) / 10, found.seconds)
    assert found.duration_seconds == pytest.approx(4)
    assert numbers == sorted(numbers)
    assert numbers[0] < 10
    assert numbers[-1] >= 30


@pytest.mark.parametrize("modality", ["flow", "rgb+flow"])
def test_a_model_of_flow_has_its_features_and_pictures_of_colours(
    trained, numbered_video, modality
):
    keys = ["DATA.MODALITY", modality, "DATA.FLOW.METHOD", "farneback", "DATA.FLOW.STACK", "2"]
    _, path = trained(*keys)
    video = str(numbered_video(40, fps=10))
    found = build_frame_features(Predictor.from_checkpoint(path), video)
    keys = ["TEST.DATASET", "ssv2", "TEST.NUM_ENSEMBLE_VIEWS", "1", "TEST.NUM_SPATIAL_CROPS", "1"]
    expected = Predictor.from_checkpoint(path, overrides=keys).features(video, tokens="frames")
    assert np.allclose(found.vectors, unit(expected.numpy().astype(np.float64)), atol=1e-5)
    numbers = [frame_number(image) for image in found.images]
    assert np.allclose(np.array(numbers) / 10, found.seconds)


def test_a_model_that_joins_frames_has_the_middle_ones(weights, numbered_video, monkeypatch):
    predictor = Predictor.from_checkpoint(weights)
    model = predictor.model
    forward = model.forward_tokens

    def joined(clips):
        cls, grid = forward(clips)
        return cls, grid.unflatten(1, (-1, 2)).mean(dim=2)

    video = str(numbered_video(40, fps=10))
    all_frames = build_frame_features(predictor, video)
    monkeypatch.setattr(model, "forward_tokens", joined)
    found = build_frame_features(predictor, video)
    assert found.vectors.shape == (2, 32)
    assert found.seconds.tolist() == all_frames.seconds[[1, 3]].tolist()


def test_what_cannot_be_used_is_an_error(weights, data_dir, tmp_path):
    predictor = Predictor.from_checkpoint(weights)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError, match=r"broken\.mp4"):
        build_frame_features(predictor, str(tmp_path / "broken.mp4"))
    with torch.no_grad():
        next(predictor.model.parameters()).fill_(float("nan"))
    with pytest.raises(VideoError, match=r"test 0.mp4: .*nan"):
        build_frame_features(predictor, str(data_dir / "videos/test 0.mp4"))
