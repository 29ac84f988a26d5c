"""Weights that libraries publish, by name; nothing is downloaded."""

import urllib.error

import pytest
import torch
from torchvision.models._api import WeightsEnum

from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.pretrained import build_start_options, load_start
from timesformer.checkpoint.published_weights import is_published, read_published
from timesformer.config import ConfigError, load_config
from timesformer.engine.preflight import preflight
from timesformer.models import build_model

MC3 = ["MODEL.MODEL_NAME", "torchvision/mc3_18"]


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(WeightsEnum, "get_state_dict", refuse)


def test_weights_of_torchvision_start_a_model_of_other_classes(tiny_yaml, monkeypatch):
    cfg = load_config(tiny_yaml, MC3)
    theirs = build_model(load_config(tiny_yaml, [*MC3, "MODEL.NUM_CLASSES", "400"])).state_dict()
    monkeypatch.setattr(WeightsEnum, "get_state_dict", lambda *_, **__: theirs)
    model = build_model(cfg)
    report = load_start(model, "KINETICS400_V1", build_start_options(cfg))
    assert set(report.newly_initialized) == {"fc.weight", "fc.bias"}
    assert torch.equal(model.stem[0].weight, theirs["stem.0.weight"])
    assert report.format == "torchvision KINETICS400_V1"
    assert "with DATA.MEAN [0.4322, 0.3947, 0.3765] and DATA.STD" in report.notes[-1]
    preflight(load_config(tiny_yaml, [*MC3, "TIMESFORMER.PRETRAINED_MODEL", "KINETICS400_V1"]))


def test_names_are_those_of_the_library():
    assert is_published("torchvision/s3d", "KINETICS400_V1")
    assert is_published("r3d_18", "DEFAULT")
    assert not is_published("torchvision/s3d", "KINETICS400_V9")
    assert not is_published("c3d", "KINETICS400_V1")


def test_without_network_the_ways_out_are_named(tiny_yaml, offline):
    cfg = load_config(tiny_yaml, MC3)
    with pytest.raises(
        CheckpointError, match=r"could not be fetched \(.*no network.*or set TIMESF"
    ):
        load_start(build_model(cfg), "", build_start_options(cfg))
    with pytest.raises(
        ConfigError, match="PRETRAINED_MODEL is 'KINETICS400_V9', but there is no su"
    ):
        preflight(load_config(tiny_yaml, [*MC3, "TIMESFORMER.PRETRAINED_MODEL", "KINETICS400_V9"]))
    with pytest.raises(CheckpointError, match="no library publishes weights for c3d"):
        read_published("c3d", "")
