"""Sizes read off weights against the sizes that the weights were made with."""

import pytest
import torch

from timesformer.architecture import infer
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
    with pytest.raises(ValueError, match=r"depth_attn.*no scheme known here"):
        infer(state)
