"""Names and checkpoints to configurations; what they start from."""

import numpy as np
import pytest
import torch

from timesformer.config import ConfigError, load_config
from timesformer.engine.shootout.candidates import build_candidate, distinct, folder_name
from timesformer.models import build_model

NONE = ["TIMESFORMER.PRETRAINED_MODEL", "none"]


def made(name, method="finetune", *, seconds=(), opts=NONE):
    return build_candidate(
        name,
        method=method,
        num_classes=3,
        num_train=16,
        seconds=lambda cfg: np.array(seconds),
        opts=opts,
    )


def test_a_name_gets_the_clips_of_its_library_and_one_view():
    found = made("torchvision/r3d_18", "probe", opts=[])
    cfg = found.cfg
    assert (found.num_frames, found.rate, found.side) == (16, 1, 112)
    assert (cfg.MODEL.NUM_CLASSES, cfg.TRAIN.FREEZE, cfg.SOLVER.MAX_EPOCH) == (
        3,
        ("backbone",),
        100,
    )
    assert (cfg.TEST.NUM_ENSEMBLE_VIEWS, cfg.TEST.NUM_SPATIAL_CROPS) == (1, 1)
    assert found.parameters == pytest.approx(
        33.17e6, rel=0.001
    )  # torchvision's without its 400 classes
    assert found.start == "published weights"


def test_random_weights_are_trained_without_layer_decay():
    found = made("timm/test_resnet+lstm")
    assert found.cfg.SOLVER.LAYER_DECAY == 1.0
    assert found.start == "random weights"
    assert made("timm/test_resnet+lstm", opts=[]).cfg.SOLVER.LAYER_DECAY == 0.75


def test_clips_suit_the_lengths_of_the_videos_unless_a_rate_is_given():
    """8 frames of rate r span r * 8 / 30 s."""
    assert made("timm/test_resnet+mean", seconds=[1.4] * 9).rate == 5
    given = made(
        "timm/test_resnet+mean", seconds=[1.4] * 9, opts=[*NONE, "DATA.SAMPLING_RATE", "32"]
    )
    assert given.rate == 32


def test_a_checkpoint_says_what_it_is(tiny_yaml, tmp_path):
    cfg = load_config(tiny_yaml)
    path = tmp_path / "start.pyth"
    torch.save({"model_state": build_model(cfg).state_dict(), "cfg": cfg.dump()}, path)
    found = made(str(path), opts=[])
    assert found.cfg.TIMESFORMER.EMBED_DIM == 32
    assert (found.num_frames, found.side) == (4, 32)
    assert found.start.startswith(f"the weights of {path}")


def test_a_model_that_does_not_take_the_clips_has_no_cost_yet():
    assert made("c3d", opts=[*NONE, "DATA.NUM_FRAMES", "2"]).multiply_adds is None


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(ConfigError) as error:
        made("torchvision/r3d_19")
    assert "--models torchvision/r3d_19 is neither a file nor a model" in str(error.value)
    assert "nearest names are torchvision/r3d_18, " in str(error.value)


def test_folders_are_names_without_slashes_and_differ():
    assert folder_name("timm/resnet18+lstm") == "timm-resnet18+lstm"
    assert folder_name("../a b.pyth") == "a-b.pyth"
    assert distinct(["a/b", "c"]) == ["a/b", "c"]
    with pytest.raises(ConfigError, match="a/b and a:b would share the folder a-b"):
        distinct(["a/b", "a:b"])
    with pytest.raises(ConfigError, match="name each model once"):
        distinct(["a", "a"])
