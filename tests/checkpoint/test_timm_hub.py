"""ViTs by timm's names, without a network."""

import urllib.request
from functools import partial

import pytest
import timm
import torch
from timm.models.vision_transformer import VisionTransformer

from timesformer.checkpoint.load import CheckpointError, load_weights, read_weights
from timesformer.models.timesformer import TimeSformer

SIZES = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


@pytest.mark.usefixtures("offline")
def test_a_vit_by_name_loads_with_its_norms_and_heads(monkeypatch):
    image = VisionTransformer(
        **SIZES, num_classes=3, norm_layer=partial(torch.nn.LayerNorm, eps=1e-4)
    )
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: image)
    model = TimeSformer(**SIZES, num_frames=2, num_classes=3)
    report = load_weights(model, "timm/vit_any")
    assert str(report).startswith(
        "44 tensors loaded from timm/vit_any (timm image ViT); 12 inflated"
    )
    assert {module.eps for module in model.modules() if isinstance(module, torch.nn.LayerNorm)} == {
        1e-4
    }
    with pytest.raises(CheckpointError, match="num_heads 2 in the file, 4 in the model"):
        load_weights(TimeSformer(**{**SIZES, "num_heads": 4}, num_classes=3), "timm/vit_any")


@pytest.mark.usefixtures("offline")
def test_without_network_and_cache_the_file_to_get_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        CheckpointError,
        match=r"kept in .*copy model.safetensors of https://huggingface.co/timm/vit_tiny\S+ to this",
    ):
        read_weights("timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k")


@pytest.mark.usefixtures("offline")
def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(CheckpointError, match=r"timm has no pretrained 'vit_base_patch17.*patch16"):
        read_weights("timm/vit_base_patch17_224.augreg_in21k")


@pytest.mark.usefixtures("offline")
def test_a_model_that_is_no_vit_is_refused(monkeypatch):
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: torch.nn.Linear(2, 2))
    with pytest.raises(CheckpointError, match="nothing in timm/resnet10t fits the model"):
        load_weights(TimeSformer(**SIZES), "timm/resnet10t")


@pytest.mark.usefixtures("offline")
def test_blocks_that_only_look_like_ours_are_refused(monkeypatch):
    blocks = timm.models.vision_transformer.ResPostBlock
    image = VisionTransformer(**SIZES, num_classes=3, block_fn=blocks)
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: image)
    with pytest.raises(CheckpointError, match="its blocks are ResPostBlocks, not the plain ones"):
        read_weights("timm/vit_any")


def test_a_file_of_that_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "timm").mkdir()
    torch.save(TimeSformer(**SIZES).state_dict(), tmp_path / "timm" / "mine")
    assert load_weights(TimeSformer(**SIZES), "timm/mine").exact
