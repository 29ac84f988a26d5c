"""Two streams: each is timm's own model, and late fusion adds their scores."""

import pytest
import timm
import torch
from torch.nn import functional as F

from timesformer.checkpoint import timm_hub
from timesformer.checkpoint.formats import Weights
from timesformer.checkpoint.pretrained import build_start_options, load_start
from timesformer.config import ConfigError, load_config
from timesformer.models import build_model
from timesformer.models.library import TokenError


@pytest.fixture
def make(tiny_yaml):
    def build(name, *overrides):
        words = ["DATA.MODALITY", "rgb+flow", "DATA.FLOW.STACK", "2", "MODEL.MODEL_NAME", name]
        return build_model(load_config(tiny_yaml, [*words, *overrides])).eval()

    return build


def streams(model, name):
    """timm's own models with the weights of both streams."""
    for stream, channels in ((model.rgb, 3), (model.flow, 4)):
        own = timm.create_model(name, num_classes=0, in_chans=channels).eval()
        own.load_state_dict(stream.state_dict())
        yield own


@torch.no_grad()
@pytest.mark.parametrize("name", ["test_resnet", "test_convnext"])
def test_late_fusion_adds_the_scores_of_the_streams(make, name):
    model = make(f"two_stream/{name}+late")
    clip = torch.randn(2, *model.input_spec)
    half = model.num_features // 2
    scores = model.head.bias
    for own, part, weight in zip(
        streams(model, name),
        clip.split([3, 4], dim=1),
        model.head.weight.split(half, dim=1),
        strict=True,
    ):
        each = torch.stack([own(part[:, :, t]) for t in range(4)])
        scores = scores + F.linear(each.mean(dim=0), weight)
    assert torch.allclose(model(clip), scores, atol=1e-5)


@torch.no_grad()
def test_convolution_fusion_begins_as_the_mean_of_the_maps(make):
    model = make("two_stream/test_resnet+conv")
    clip = torch.randn(2, *model.input_spec)
    rgb, flow = streams(model, "test_resnet")
    maps = [
        (rgb.forward_features(clip[:, :3, t]) + flow.forward_features(clip[:, 3:, t])) / 2
        for t in range(4)
    ]
    expected = torch.stack(maps).mean(dim=(0, 3, 4))
    assert torch.allclose(model.forward_features(clip), expected, atol=1e-5)


def test_the_same_depth_of_both_streams_is_one_group(make):
    groups = make("two_stream/test_resnet+conv").layer_groups()
    assert groups[-1] == ("fusion",)
    for group in groups[:-1]:
        names = [name.partition(".") for name in group]
        rgb = [rest for stream, _, rest in names if stream == "rgb"]
        assert rgb == [rest for stream, _, rest in names if stream == "flow"]


def test_late_is_the_fusion_of_a_name_without_one(make):
    assert (
        make("two_stream/test_resnet").num_features
        == 2 * make("two_stream/test_resnet+conv").num_features
    )


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("two_stream/test_resnet+early", [], r"no such fusion; use .*\+late or .*\+conv"),
        ("two_stream/resnet1+late", [], "no such model; the nearest names are two_stream/resnet"),
        (
            "two_stream/test_resnet",
            ["DATA.MODALITY", "flow"],
            "is flow; set DATA.MODALITY rgb.flow",
        ),
        ("two_stream/test_resnet", ["DATA.MODALITY", "rgb"], "DATA.MODALITY is rgb; set DATA.MODA"),
    ],
)
def test_wrong_names_say_what_to_use(make, name, overrides, message):
    with pytest.raises(ConfigError, match=message):
        make(name, *overrides)


def test_it_has_no_tokens(make):
    model = make("two_stream/test_resnet")
    with pytest.raises(TokenError, match="--tokens cls"):
        model.forward_tokens(torch.zeros(1, *model.input_spec))


@pytest.mark.parametrize("fusion", ["late", "conv"])
def test_both_streams_start_from_the_weights_of_the_image_model(
    make, tiny_yaml, monkeypatch, fusion
):
    """The first layer of flow gets the mean of that of R, G and B, with the same sum over channels."""
    image = timm.create_model("test_resnet").state_dict()
    monkeypatch.setattr(timm_hub, "fetch", lambda name, converted: Weights(image, format="timm"))
    model = make(f"two_stream/test_resnet+{fusion}")
    fused = {name: value.clone() for name, value in model.fusion.state_dict().items()}
    report = load_start(model, "", build_start_options(load_config(tiny_yaml, []), cut=False))
    assert set(report.newly_initialized) == {"head.weight", "head.bias"}
    state, first = model.state_dict(), "conv1.0.weight"
    assert torch.equal(state[f"rgb.{first}"], image[first])
    assert torch.allclose(state[f"flow.{first}"].sum(dim=1), image[first].sum(dim=1), atol=1e-6)
    for name in image.keys() - {first}:
        for stream in ("rgb", "flow"):
            if f"{stream}.{name}" in state:
                assert torch.equal(state[f"{stream}.{name}"], image[name])
    assert all(torch.equal(value, model.fusion.state_dict()[name]) for name, value in fused.items())
