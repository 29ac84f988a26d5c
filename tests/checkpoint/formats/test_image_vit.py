"""Image ViTs: a space-only model with their weights computes what timm computes."""

import pytest
import timm
import torch
from timm.layers import resample_patch_embed
from timm.models.vision_transformer import VisionTransformer

from timesformer.checkpoint.load import CheckpointError, load_weights
from timesformer.models.timesformer import TimeSformer

SIZES = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}
FAMILIES = {
    "ViT": {},
    "DeiT III": {"no_embed_class": True, "init_values": 1e-6},
    "DINOv2": {"init_values": 1e-5, "num_classes": 0},
    "no biases": {"qkv_bias": False},
    "MAE": {"global_pool": "avg", "num_classes": 0, "class_token": True},
    "CLIP": {"pre_norm": True, "norm_layer": torch.nn.LayerNorm},
}


def randomized(model):
    torch.manual_seed(3)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def ours(scheme="space_only", **kwargs):
    return TimeSformer(**{**SIZES, "attention_type": scheme, "num_classes": 5, **kwargs}).eval()


def saved(model, tmp_path, prefix="", **extra):
    state = {f"{prefix}{name}": value for name, value in model.state_dict().items()}
    torch.save(state | extra, tmp_path / "file")
    return tmp_path / "file"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("prefix", ["", "visual.trunk."])
def test_features_are_those_of_timm(tmp_path, family, prefix):
    image = randomized(VisionTransformer(**SIZES, **{"num_classes": 5, **FAMILIES[family]}))
    model = ours(pre_norm=family == "CLIP")
    report = load_weights(model, saved(image, tmp_path, prefix))
    clip = torch.randn(2, 3, 1, 32, 32)
    with torch.no_grad():
        tokens = image.forward_features(clip[:, :, 0])
        expected = image.fc_norm(tokens)[:, 0]  # the norm of models that average is that one
        assert (model.forward_features(clip) - expected).abs().max() < 2e-5
        if "head.weight" in report.loaded:
            assert (model(clip) - image.head(expected)).abs().max() < 2e-5
    assert set(report.newly_initialized) <= {"head.weight", "head.bias"}


def test_a_divided_model_starts_as_the_image_model(tmp_path):
    """Its steps over time end in zeros, so on one frame it is the image model."""
    image = randomized(VisionTransformer(**SIZES, num_classes=5, init_values=0.1))
    model = ours("divided_space_time", num_frames=4)
    report = load_weights(model, saved(image, tmp_path))
    clip = torch.randn(2, 3, 1, 32, 32)
    with torch.no_grad():
        assert (model(clip) - image(clip[:, :, 0])).abs().max() < 2e-5
    assert len(report.inflated) == 2 * 6
    assert "4 layer scales were multiplied" in str(report)


def test_openai_names_are_those_of_the_same_clip(tmp_path):
    clip = pytest.importorskip("timm.models.vision_transformer")
    image = randomized(
        VisionTransformer(**SIZES, num_classes=0, pre_norm=True, norm_layer=torch.nn.LayerNorm)
    )
    swaps = [("patch_embed.proj", "conv1"), ("pos_embed", "positional_embedding"),
             ("blocks.", "transformer.resblocks."), ("norm_pre", "ln_pre"), ("attn.qkv.", "attn.in_proj_"),
             ("attn.proj", "attn.out_proj"), ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"),
             (".norm", ".ln_"), ("cls_token", "class_embedding")]  # fmt: skip
    state = {}
    for name, value in image.state_dict().items():
        name = f"ln_post.{name[5:]}" if name.startswith("norm.") else name
        for one, other in swaps:
            name = name.replace(one, other)
        state[f"visual.{name}"] = value.squeeze(0) if "embedding" in name else value
    state["visual.class_embedding"] = image.cls_token[0, 0]
    state["visual.proj"] = torch.zeros(32, 8)
    state["transformer.resblocks.0.ln_1.weight"] = torch.zeros(16)  # of the text tower
    back = clip._convert_openai_clip(dict(state), image)  # timm's reading of these names
    assert torch.equal(back["blocks.1.attn.qkv.weight"], image.blocks[1].attn.qkv.weight)
    torch.save(state, tmp_path / "file")
    model = ours(pre_norm=True)
    report = load_weights(model, tmp_path / "file")
    frame = torch.randn(2, 3, 1, 32, 32)
    with torch.no_grad():
        expected = image.forward_features(frame[:, :, 0])[:, 0]
        assert (model.forward_features(frame) - expected).abs().max() < 2e-5
    assert "text tower was left out" in str(report)
    assert "epsilon 1e-05" in str(report)
    with pytest.raises(CheckpointError, match=r"pre_norm True in the file, False .*PRE_NORM"):
        load_weights(ours(), tmp_path / "file")


def test_a_distilled_deit_gives_its_class_token_and_positions(tmp_path):
    image = randomized(timm.create_model("deit_tiny_distilled_patch16_224", **SIZES, num_classes=5))
    model = ours()
    report = load_weights(model, saved(image, tmp_path))
    assert torch.equal(model.pos_embed[0, 0], image.pos_embed[0, 0])
    assert torch.equal(model.pos_embed[0, 1:], image.pos_embed[0, 2:])
    assert torch.equal(model.head.weight, image.head.weight)
    assert sorted(report.unused) == ["dist_token", "head_dist.bias", "head_dist.weight"]


def test_a_model_without_class_token_leaves_ours_fresh(tmp_path):
    image = randomized(
        VisionTransformer(**SIZES, num_classes=0, class_token=False, global_pool="map")
    )
    model = ours()
    before = model.cls_token.clone()
    report = load_weights(model, saved(image, tmp_path))
    assert torch.equal(model.cls_token, before)
    assert torch.equal(model.pos_embed[:, 1:], image.pos_embed)
    assert not model.pos_embed[:, 0].any()
    assert "it has no class token: ours is newly initialized" in str(report)
    assert "attention pooling (the class token takes its part) was left out" in str(report)
    assert "SigLIPs compute GELU by tanh" in str(report)


@pytest.mark.parametrize("size", [16, 4])
def test_another_patch_size_is_resized_as_timm_does_it(tmp_path, size):
    image = randomized(VisionTransformer(**SIZES, num_classes=5))
    model = ours(patch_size=size, img_size=4 * size)
    report = load_weights(model, saved(image, tmp_path))
    expected = resample_patch_embed(image.patch_embed.proj.weight.detach(), [size, size])
    assert torch.equal(model.patch_embed.proj.weight, expected)
    assert report.resized == ["patch_embed.proj.weight"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"reg_tokens": 4}, "register tokens"),
        ({"qk_norm": True}, "normalised queries and keys"),
        ({"pos_embed": "none"}, "no position embedding"),
        ({"mlp_layer": timm.layers.SwiGLU}, "a gated MLP"),
        ({"mlp_layer": timm.layers.GluMlp}, "a gated MLP"),
    ],
)
def test_architectures_that_a_block_cannot_compute_are_refused(tmp_path, options, reason):
    path = saved(VisionTransformer(**SIZES, num_classes=5, **options), tmp_path)
    with pytest.raises(CheckpointError, match=f"cannot become a TimeSformer: it has {reason}"):
        load_weights(ours(), path)


def test_the_mask_token_is_dropped_and_an_unknown_tensor_refused(tmp_path):
    image = VisionTransformer(**SIZES, num_classes=5)
    path = saved(image, tmp_path, mask_token=torch.zeros(1, 1, 32))
    assert load_weights(ours(), path).unused == ["mask_token"]
    path = saved(image, tmp_path, extra=torch.zeros(3))
    with pytest.raises(CheckpointError, match=r"1 of its tensors have no place \(extra\)"):
        load_weights(ours(), path)


def test_two_models_in_one_file_are_refused(tmp_path):
    state = VisionTransformer(**SIZES).state_dict()
    both = {f"{who}.{name}": v for who in ("left", "right") for name, v in state.items()}
    torch.save(both, tmp_path / "file")
    with pytest.raises(CheckpointError, match=r"it holds 2 models, left\., right\."):
        load_weights(ours(), tmp_path / "file")


def test_the_shared_vit_starts_a_video_model_of_another_patch_size(shared):
    path = shared / "weights/vit_small_patch14.safetensors"
    sizes = {"embed_dim": 384, "depth": 12, "num_heads": 6}
    with torch.device("meta"):
        model = TimeSformer(img_size=224, patch_size=16, num_classes=5, **sizes)
    report = load_weights(model, path)
    assert sorted(report.resized) == ["patch_embed.proj.weight", "pos_embed"]
    assert len(report.inflated) == 12 * 6
    assert "classifier is newly initialized, the file has none" in str(report)
