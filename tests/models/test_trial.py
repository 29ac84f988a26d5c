"""Clips that a model does not take are found before a run."""

import pytest
import torch

from timesformer.config import load_config
from timesformer.models import build_model
from timesformer.models.trial import build_input_problem, build_unused


@pytest.fixture
def problem(tiny_yaml):
    return lambda *options: build_input_problem(load_config(tiny_yaml, list(map(str, options))))


def test_too_few_frames_and_too_small_crops_are_named_with_what_would_do(problem):
    found = problem("MODEL.MODEL_NAME", "torchvision/s3d")
    assert "torchvision/s3d does not take clips of 4 frames of 32 x 32 pixels" in found
    assert "(DATA.NUM_FRAMES, DATA.TRAIN_CROP_SIZE)" in found
    assert found.endswith("Output size is too small; set DATA.NUM_FRAMES 8")
    found = problem("MODEL.MODEL_NAME", "c3d")
    assert found.endswith("set DATA.NUM_FRAMES 16")


def test_clips_that_fit_are_no_problem(problem):
    assert problem("MODEL.MODEL_NAME", "c3d", "DATA.NUM_FRAMES", 16) == ""
    assert problem() == ""


def test_frames_that_slowfast_cannot_divide_are_named(problem):
    pytest.importorskip("pytorchvideo")
    found = problem("MODEL.MODEL_NAME", "pytorchvideo/slowfast_r50", "DATA.NUM_FRAMES", 6)
    assert "6 frames, but SlowFast needs a multiple of 4; set DATA.NUM_FRAMES 4" in found


@pytest.mark.parametrize("name", ["test_efficientnet", "test_convnext", "test_resnet"])
def test_parameters_without_a_gradient_are_found(tiny_yaml, name):
    """The image model has a head for its own features; the fusion takes the maps before it."""
    words = ["MODEL.MODEL_NAME", f"two_stream/{name}+conv", "DATA.MODALITY", "rgb+flow"]
    cfg = load_config(tiny_yaml, words)
    model = build_model(cfg)
    model(torch.randn(2, *model.input_spec)).sum().backward()
    without = {name for name, value in model.named_parameters() if value.grad is None}
    assert build_unused(cfg) == without
    assert bool(without) == (name != "test_resnet")
    assert build_unused(load_config(tiny_yaml)) == set()


def test_of_a_model_of_one_size_that_of_its_weights_is_named(problem):
    found = problem("MODEL.MODEL_NAME", "torchvision/mvit_v2_s")
    assert found.endswith("set DATA.NUM_FRAMES 16 and DATA.TRAIN_CROP_SIZE 224")
