"""Sizes read off weights against the sizes that the weights were made with."""

import pytest
import timm
import torch

from timesformer.checkpoint.architecture import infer, usual_heads
from timesformer.models.attention import SCHEMES
from timesformer.models.timesformer import TimeSformer

SIZES = {"img_size": 24, "patch_size": 4, "embed_dim": 128, "depth": 3, "num_heads": 2,
         "num_classes": 7, "num_frames": 6, "mlp_ratio": 2.5}  # fmt: skip


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_is_known_by_its_weights(scheme):
    state = TimeSformer(**SIZES, attention_type=scheme).state_dict()
    expected = {**SIZES, "attention_type": scheme}
    if scheme == "space_only":
        expected["num_frames"] = None
    assert infer(state)._asdict() == expected


@pytest.mark.parametrize("scheme", ["divided_space_time", "joint_space_time", "space_only"])
def test_published_files_are_of_their_architecture(shared, scheme):
    spec = torch.load(shared / f"golden/shared_official_{scheme}_io.pt", weights_only=True)["spec"]
    file = torch.load(shared / f"golden/shared_official_{scheme}.pyth", weights_only=True)
    found = infer({key.removeprefix("model."): v for key, v in file["model_state"].items()})
    for name in ("img_size", "patch_size", "embed_dim", "depth", "attention_type", "num_classes"):
        assert getattr(found, name) == spec[name], name


def test_a_model_without_classifier_has_no_classes():
    state = TimeSformer(**SIZES).state_dict()
    assert infer({k: v for k, v in state.items() if "head" not in k}).num_classes is None


def test_other_weights_are_refused():
    with pytest.raises(ValueError, match=r"it has no cls_token, pos_embed.*, but conv\.weight"):
        infer({"conv.weight": torch.zeros(1)})
    state = TimeSformer(**SIZES).state_dict()
    state["blocks.0.depth_attn.qkv.weight"] = torch.zeros(1)
    with pytest.raises(ValueError, match=r"depth_attn.*not a scheme known here"):
        infer(state)


@pytest.mark.parametrize(
    "name",
    ["vit_tiny_patch16_224", "vit_large_patch16_224", "vit_so400m_patch14_siglip_224",
     "vit_huge_patch14_clip_224", "vit_giant_patch14_clip_224", "vit_giantopt_patch16_siglip_256",
     "vit_gigantic_patch14_clip_224"],
)  # fmt: skip
def test_heads_are_those_of_timm(name):
    image = timm.create_model(name, device="meta")
    assert usual_heads(image.embed_dim) == image.blocks[0].attn.num_heads
    assert usual_heads(48) == 0


@pytest.mark.parametrize("hidden", [460, 3680, 3584])
def test_a_model_of_the_found_ratio_has_the_hidden_channels_of_the_file(hidden):
    """896 channels: as a ratio, 3680 come back as 3679.9999."""
    with torch.device("meta"):
        state = TimeSformer(**{**SIZES, "embed_dim": 896, "depth": 1}).state_dict()
        state["blocks.0.mlp.fc1.weight"] = torch.zeros(hidden, 896)
    assert int(896 * infer(state).mlp_ratio) == hidden


def test_patches_of_several_frames_are_named():
    state = TimeSformer(**SIZES).state_dict()
    state["patch_embed.proj.weight"] = torch.zeros(128, 3, 2, 4, 4)
    with pytest.raises(ValueError, match="its patches are not of one frame"):
        infer(state)
