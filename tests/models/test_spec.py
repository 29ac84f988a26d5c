"""Rows of the table of models by names and prefixes."""

import pytest

from timesformer.config import ConfigError
from timesformer.models import MODELS, find_spec, is_model_name


def test_the_longest_prefix_counts():
    assert find_spec(MODELS, "pytorchvideo/slowfast_r50").layout == "slow_fast"
    assert find_spec(MODELS, "pytorchvideo/slow_r50").layout == "clip"
    assert find_spec(MODELS, "timm/resnet18+mean").layout == "frames"
    assert find_spec(MODELS, "c3d") is MODELS["c3d"]


def test_an_unknown_name_gets_three_near_ones_and_the_families():
    with pytest.raises(ConfigError, match="c4d.*nearest names are c3d, .*, .*; families are torch"):
        find_spec(MODELS, "c4d")
    assert not is_model_name("c3d_18")
    assert is_model_name("torchvision/anything")
