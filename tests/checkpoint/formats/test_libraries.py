"""Random weights in every public naming, into the models that they are of."""

import re

import pytest
import torch
import torchvision

from tests.models.made_families import NARROW
from timesformer.checkpoint.formats.libraries import FAMILIES, family_of
from timesformer.checkpoint.load import CheckpointError, load_weights
from timesformer.checkpoint.model_spec import read_model_spec
from timesformer.config import load_config
from timesformer.inference.predictor import Predictor
from timesformer.models import build_model
from timesformer.models.baselines.c3d import C3D

CONVOLUTIONS = ["conv1", "conv2", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b"]
FEATURES = [0, 3, 6, 8, 11, 13, 16, 18]


def c3d():
    return C3D(num_classes=3, input_spec=(3, 16, 32, 32), widths=NARROW).eval()


def mmaction2(name):
    layer, kind = name.split(".")
    if layer == "fc8":
        return f"cls_head.fc_cls.{kind}"
    if layer.startswith("fc"):
        return f"backbone.{name}"
    return f"backbone.{layer if layer[-1] in 'ab' else layer + 'a'}.conv.{kind}"


def caffe(name):
    layer, kind = name.split(".")
    if layer in CONVOLUTIONS:
        return f"features.{FEATURES[CONVOLUTIONS.index(layer)]}.{kind}"
    return f"classifier.{ {'fc6': 0, 'fc7': 3, 'fc8': 6}[layer] }.{kind}"


@pytest.mark.parametrize("naming", [str, mmaction2, caffe, "module.{}".format])
def test_every_naming_of_c3d_loads_whole(naming, tmp_path):
    theirs, ours = c3d(), c3d()
    path = tmp_path / "c3d.pth"
    state = {naming(name): value for name, value in theirs.state_dict().items()}
    torch.save({"state_dict": state} if naming is mmaction2 else state, path)
    assert load_weights(ours, path).exact
    clip = torch.randn(1, 3, 16, 32, 32)
    assert torch.equal(ours(clip), theirs(clip))


def test_a_c3d_of_mmaction2_brings_its_pixels_and_other_files_those_of_sports1m(
    tmp_path, monkeypatch
):
    from tests.models.made_families import narrow_c3d

    narrow_c3d(monkeypatch)
    plain, theirs = tmp_path / "plain.pth", tmp_path / "mmaction2.pth"
    torch.save(c3d().state_dict(), plain)
    torch.save({mmaction2(n): v for n, v in c3d().state_dict().items()}, theirs)
    spec = read_model_spec(plain, overrides=["MODEL.MODEL_NAME", "c3d"])
    assert spec.cfg.DATA.REVERSE_INPUT_CHANNEL
    assert spec.cfg.DATA.MEAN[0] * 255 == pytest.approx(101.41)  # R
    assert (spec.cfg.MODEL.NUM_CLASSES, spec.cfg.DATA.NUM_FRAMES) == (3, 16)
    spec = read_model_spec(theirs, overrides=["MODEL.MODEL_NAME", "c3d"])
    assert not spec.cfg.DATA.REVERSE_INPUT_CHANNEL
    assert [round(255 * value) for value in spec.cfg.DATA.MEAN] == [104, 117, 128]
    with pytest.raises(
        CheckpointError, match=r"looks like weights of C3D \(c3d\): add MODEL.MODEL"
    ):
        read_model_spec(plain)


def test_weights_of_the_image_model_start_a_frame_wise_one(tiny_yaml, tmp_path):
    import timm

    image = timm.create_model("test_resnet", num_classes=10)
    torch.save(image.state_dict(), tmp_path / "image.pth")
    model = build_model(load_config(tiny_yaml, ["MODEL.MODEL_NAME", "timm/test_resnet+lstm"]))
    report = load_weights(model, tmp_path / "image.pth")
    assert {name.split(".")[0] for name in report.newly_initialized} == {"temporal", "head"}
    assert torch.equal(model.encoder.conv1[0].weight, image.conv1[0].weight)
    assert set(report.unused) == {"encoder.fc.weight", "encoder.fc.bias"}  # its own classifier


def test_old_files_without_counts_of_batches_load(tiny_yaml, tmp_path):
    model = build_model(load_config(tiny_yaml, ["MODEL.MODEL_NAME", "torchvision/mc3_18"]))
    kept = {n: v for n, v in model.state_dict().items() if "num_batches" not in n}
    torch.save(kept, tmp_path / "old.pth")
    assert not load_weights(model, tmp_path / "old.pth").unused


def test_weights_of_rgb_start_a_first_layer_of_other_channels(tiny_yaml, tmp_path):
    from timesformer.models.baselines.frame_wise import build_frame_wise

    cfg = load_config(tiny_yaml, ["MODEL.MODEL_NAME", "timm/test_resnet+mean"])
    rgb, flow = build_model(cfg), build_frame_wise(cfg, 20)
    torch.save(rgb.state_dict(), tmp_path / "rgb.pth")
    report = load_weights(flow, tmp_path / "rgb.pth")
    assert len(report.resized) == 1
    theirs, ours = rgb.state_dict()[report.resized[0]], flow.state_dict()[report.resized[0]]
    assert torch.allclose(ours.sum(dim=1), theirs.sum(dim=1), atol=1e-5)


def test_weights_of_another_family_are_named(tiny_yaml, tmp_path):
    r3d = build_model(load_config(tiny_yaml, ["MODEL.MODEL_NAME", "torchvision/mc3_18"]))
    torch.save(r3d.state_dict(), tmp_path / "r3d.pth")
    for kind in ("vit_base_patch16_224", "timm/test_resnet+mean"):
        model = build_model(load_config(tiny_yaml, ["MODEL.MODEL_NAME", kind]))
        with pytest.raises(
            CheckpointError, match="looks like weights of a video ResNet of torchvis"
        ):
            load_weights(model, tmp_path / "r3d.pth")
    assert family_of(["something.else"]) == ""
    assert len(set(FAMILIES.values())) == len(FAMILIES)


def tsn(name):
    """A name of mmaction2's for a residual network of timm."""
    if name.startswith("fc."):
        return name.replace("fc.", "cls_head.fc_cls.")
    for pattern, theirs in (
        (r"\bconv(\d)\.weight", r"conv\1.conv.weight"),
        (r"\bbn(\d)\.", r"conv\1.bn."),
        (r"downsample\.0\.", "downsample.conv."),
        (r"downsample\.1\.", "downsample.bn."),
    ):
        name = re.sub(pattern, theirs, name)
    return f"backbone.{name}"


@pytest.mark.parametrize("channels", [3, 10])
def test_a_tsn_of_mmaction2_has_the_mean_of_the_logits_of_its_frames(channels, tmp_path):
    theirs = torchvision.models.resnet18(num_classes=6).eval()
    theirs.conv1 = torch.nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    path = tmp_path / "tsn.pth"
    torch.save({"state_dict": {tsn(n): v for n, v in theirs.state_dict().items()}}, path)
    options = ["MODEL.MODEL_NAME", "timm/resnet18+mean", "DATA.NUM_FRAMES", "2"]
    small = ["DATA.TEST_CROP_SIZE", "32", "DATA.TRAIN_CROP_SIZE", "32"]
    flow = ["DATA.MODALITY", "flow", "DATA.FLOW.STACK", "5"]
    if channels == 10:
        needed = "it sees optical flow: set DATA.MODALITY flow and DATA.FLOW.STACK 5"
        for given in ([], flow[:2]):
            with pytest.raises(CheckpointError, match=needed):
                Predictor.from_checkpoint(path, "cpu", overrides=[*options, *small, *given])
        options += flow
    predictor = Predictor.from_checkpoint(path, "cpu", overrides=[*options, *small])
    assert predictor.description.weights.format == "mmaction2 TSN"
    clip = torch.randn(2, channels, 2, 32, 32)
    with torch.no_grad():
        wanted = torch.stack([theirs(clip[:, :, t]) for t in range(2)]).mean(dim=0)
        assert torch.allclose(predictor.model(clip), wanted, atol=1e-5)


def test_colours_never_score_with_flow(tmp_path):
    theirs = torchvision.models.resnet18(num_classes=6)
    torch.save({tsn(n): v for n, v in theirs.state_dict().items()}, tmp_path / "rgb.pth")
    flow = ["MODEL.MODEL_NAME", "timm/resnet18+mean", "DATA.MODALITY", "flow"]
    with pytest.raises(CheckpointError, match=r"1 resized \(encoder.conv1.weight\).*DATA.MODALITY"):
        Predictor.from_checkpoint(tmp_path / "rgb.pth", "cpu", overrides=flow)
