"""Video models of torchvision against its own."""

import numpy as np
import pytest
import torch
from torchvision.models import get_model, get_model_weights
from torchvision.models.video import mvit

from tests.conftest import write_video
from timesformer.config import ConfigError, load_config
from timesformer.datasets.build import build_frame_loader, build_view, load_views
from timesformer.models import build_model
from timesformer.models.baselines.torchvision_video import defaults, names
from timesformer.models.classifier import classifier_parameters, layers, parameter_depths


@pytest.mark.parametrize("name", ["mc3_18", "swin3d_t"])
def test_names_and_logits_are_those_of_torchvision(name, tiny_yaml):
    theirs = get_model(name, num_classes=3).eval()
    ours = build_model(load_config(tiny_yaml, ["MODEL.MODEL_NAME", f"torchvision/{name}"])).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    clip = torch.randn(2, 3, 4, 32, 32)
    assert torch.equal(ours(clip), theirs(clip))
    assert torch.equal(ours(ours.forward_features(clip)), ours(clip))


MVIT = {  # two blocks of the first and of the second version, as torchvision's builders make sixteen
    "mvit_v1_b": {"residual_pool": False, "residual_with_cls_embed": True, "rel_pos_embed": False},
    "mvit_v2_s": {"residual_pool": True, "residual_with_cls_embed": False, "rel_pos_embed": True},
}


def small_mvit(name, num_classes=3):
    blocks = [
        mvit.MSBlockConfig(
            num_heads=heads, input_channels=8 * heads, output_channels=16, kernel_q=[3, 3, 3],
            kernel_kv=[3, 3, 3], stride_q=[1, heads, heads], stride_kv=[1, 2, 2],
        )
        for heads in (1, 2)
    ]  # fmt: skip
    second = name == "mvit_v2_s"
    return mvit.MViT(
        (32, 32), 4, blocks, num_classes=num_classes, proj_after_attn=second, **MVIT[name]
    )


@pytest.mark.parametrize("name", MVIT)
def test_logits_of_mvit_are_those_of_torchvision(name, tiny_yaml, monkeypatch):
    monkeypatch.setattr("torchvision.models.get_model", lambda name, **_: small_mvit(name))
    theirs = small_mvit(name).eval()
    ours = build_model(load_config(tiny_yaml, ["MODEL.MODEL_NAME", f"torchvision/{name}"])).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    clip = torch.randn(2, 3, 4, 32, 32)
    assert torch.equal(ours(clip), theirs(clip))
    assert torch.equal(ours(ours.forward_features(clip)), ours(clip))


def test_s3d_equals_torchvisions_and_takes_smaller_crops_too(tiny_yaml):
    theirs = get_model("s3d", num_classes=3).eval()
    ours = build_model(load_config(tiny_yaml, ["MODEL.MODEL_NAME", "torchvision/s3d"])).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    clip = torch.randn(1, 3, 14, 224, 224)
    with torch.no_grad():
        assert torch.allclose(ours(clip), theirs(clip), atol=1e-5)
        with pytest.raises(RuntimeError, match="smaller than kernel size"):
            theirs(clip[..., :64, :64])
        assert ours(clip[..., :64, :64]).shape == (1, 3)


def test_every_video_model_of_torchvision_has_the_names_of_its_parameters(tiny_yaml):
    for kind in names():
        with torch.device("meta"):
            ours = build_model(load_config(tiny_yaml, ["MODEL.MODEL_NAME", kind]))
            theirs = get_model(kind.removeprefix("torchvision/"), num_classes=3)
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        depths, head = parameter_depths(ours), classifier_parameters(ours)
        assert depths.keys() | set(head) == dict(ours.named_parameters()).keys()
        assert set(depths.values()) == set(range(len(ours.layer_groups())))
        assert len(layers(ours)) > 5


def test_weights_say_their_clips_and_pixels():
    weights = get_model_weights("mvit_v2_s").DEFAULT
    found, theirs = defaults("torchvision/mvit_v2_s"), weights.transforms()
    assert (found["DATA.MEAN"], found["DATA.STD"]) == (theirs.mean, theirs.std)
    assert found["DATA.TRAIN_CROP_SIZE"] == theirs.crop_size[0]
    fps = found["DATA.TARGET_FPS"] / found["DATA.SAMPLING_RATE"]
    assert (found["DATA.NUM_FRAMES"], fps) == (16, pytest.approx(7.5, abs=0.1))
    assert defaults("r3d_18") == defaults("torchvision/r3d_18")


@pytest.mark.parametrize("name", ["mvit_v2_s", "swin3d_t", "s3d"])
def test_pixels_of_a_video_are_those_of_its_own_transforms(name, tiny_yaml, tmp_path):
    """Of frames that need no scaling; other ones OpenCV scales, as in every model here."""
    transforms = get_model_weights(name).DEFAULT.transforms()
    side = transforms.resize_size[0]
    width = side if len(transforms.resize_size) == 2 else side + 40
    texture = np.random.default_rng(0).integers(
        0, 256, (side // 8 + 8, width // 8 + 8, 3), np.uint8
    )
    large = np.kron(texture, np.ones((8, 8, 1), np.uint8))
    frames = [large[t : t + side, 2 * t : 2 * t + width] for t in range(20)]
    video = write_video(tmp_path / "a.mp4", frames)
    values = {**defaults(f"torchvision/{name}"), "MODEL.MODEL_NAME": f"torchvision/{name}"}
    values["TEST.NUM_ENSEMBLE_VIEWS"] = 1
    cfg = load_config(tiny_yaml, [str(part) for pair in values.items() for part in pair])
    select, _ = build_view(cfg, "test").draw(np.random.default_rng(0))
    read = build_frame_loader(cfg)(video, select)
    (chosen,) = read.images[read.index]
    theirs = transforms(torch.from_numpy(chosen).permute(0, 3, 1, 2))
    assert torch.equal(load_views(video, cfg)[0], theirs)


def test_an_unknown_name_gets_the_nearest(tiny_yaml):
    with pytest.raises(
        ConfigError, match=r"no such model; the nearest names are torchvision/r3d_18, "
    ):
        build_model(load_config(tiny_yaml, ["MODEL.MODEL_NAME", "torchvision/r3d_19"]))
