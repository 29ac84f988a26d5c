"""Rows of the table of models by names and prefixes."""

import re
import sys

import pytest

from timesformer.config import ConfigError
from timesformer.models import MODELS, find_spec, is_model_name


def test_the_longest_prefix_counts():
    assert find_spec(MODELS, "pytorchvideo/slowfast_r50").layout == "slow_fast"
    assert find_spec(MODELS, "pytorchvideo/slow_r50").layout == "clip"
    assert find_spec(MODELS, "timm/resnet18+mean").layout == "frames"
    assert find_spec(MODELS, "c3d") is MODELS["c3d"]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("c4d", "c3d"),
        ("r3d18", "r3d_18"),
        ("resnet18+lstm", "timm/resnet18+lstm"),
        ("swin3d_t", "torchvision/swin3d_t"),
        ("ResNet50+conv", "two_stream/resnet50+conv"),
    ],
)
def test_an_unknown_name_gets_three_near_ones_of_all_families(name, nearest):
    with pytest.raises(ConfigError, match=rf"nearest names are {re.escape(nearest)}, .*, .*; fam"):
        find_spec(MODELS, name)


def test_names_of_an_extra_are_near_where_it_is_installed():
    pytest.importorskip("pytorchvideo")
    with pytest.raises(
        ConfigError, match="nearest names are pytorchvideo/x3d_m, pytorchvideo/x3d_"
    ):
        find_spec(MODELS, "x3d_m")


def test_an_extra_that_is_missing_is_told_beside_the_nearest_names(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorchvideo.models", None)
    with pytest.raises(
        ConfigError, match=r"nearest names are .*; the models pytorchvideo/NAME need"
    ) as told:
        find_spec(MODELS, "x3d_m")
    assert str(told.value).count('pip install "timesformer[pytorchvideo]"') == 1


def test_names_are_known_by_their_family():
    assert not is_model_name("c3d_18")
    assert is_model_name("torchvision/anything")
