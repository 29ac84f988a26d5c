"""Image models over time, against timm's own model and a plain loop."""

import pytest
import timm
import torch
from torch import nn

from timesformer.config import ConfigError, load_config
from timesformer.models import build_model
from timesformer.models.baselines.frame_wise import OVER_TIME, defaults


@pytest.fixture
def made(tiny_yaml):
    def build(name, *options):
        return build_model(load_config(tiny_yaml, ["MODEL.MODEL_NAME", name, *options])).eval()

    return build


def frames_one_by_one(model, clip):
    """Features (B, T, D) of timm's own model, given the weights of ours."""
    own = timm.create_model("test_resnet", num_classes=0).eval()
    own.load_state_dict(model.encoder.state_dict(), strict=True)
    return torch.stack([own(clip[:, :, t]) for t in range(clip.shape[2])], dim=1)


def test_lstm_is_the_cnn_then_an_lstm_then_a_linear_layer(made):
    model, clip = made("timm/test_resnet+lstm"), torch.randn(2, 3, 4, 32, 32)
    lstm = nn.LSTM(model.num_features, model.num_features, batch_first=True)
    lstm.load_state_dict(model.temporal.state_dict(), strict=True)
    _, (hidden, _) = lstm(frames_one_by_one(model, clip))
    wanted = nn.functional.linear(hidden[-1], model.head.weight, model.head.bias)
    assert torch.allclose(model(clip), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("step", "reduce"), [("mean", lambda x: x.mean(dim=1)), ("max", lambda x: x.amax(dim=1))]
)
def test_pooled_frames_know_no_order(made, step, reduce):
    model, clip = made(f"timm/test_resnet+{step}"), torch.randn(2, 3, 4, 32, 32)
    assert torch.allclose(
        model.forward_features(clip), reduce(frames_one_by_one(model, clip)), atol=1e-5
    )
    assert torch.allclose(model(clip), model(clip.flip(2)), atol=1e-5)


def test_attention_is_a_weighted_mean(made):
    model, clip = made("timm/test_resnet+attention"), torch.randn(1, 3, 4, 32, 32)
    each = frames_one_by_one(model, clip)[0]
    scores = torch.exp(each @ model.temporal.score.weight[0] + model.temporal.score.bias)
    wanted = sum(score * row for score, row in zip(scores / scores.sum(), each, strict=True))
    assert torch.allclose(model.forward_features(clip)[0], wanted, atol=1e-5)


@pytest.mark.parametrize("step", ["lstm", "gru"])
def test_recurrent_steps_know_the_order(made, step):
    model, clip = made(f"timm/test_resnet+{step}"), torch.randn(1, 3, 4, 32, 32)
    assert not torch.allclose(model(clip), model(clip.flip(2)), atol=1e-4)


def test_a_vit_is_built_for_the_crop_of_the_run(made):
    crop = ["DATA.TRAIN_CROP_SIZE", "32"]
    model = made("timm/vit_tiny_patch16_224+mean", *crop)
    assert model(torch.randn(1, 3, 2, 32, 32)).shape == (1, 3)
    assert model.no_weight_decay() == {"encoder.cls_token", "encoder.pos_embed"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm/resnet18", "needs a step over time; use timm/resnet18.mean, .*timm/resnet18.gru"),
        ("timm/resnet18+average", "needs a step over time; use timm/resnet18.mean"),
        ("timm/resnet17+lstm", r"nearest names are timm/resnet18\+lstm, timm/resnet"),
    ],
)
def test_wrong_names_get_the_right_ones(made, name, message):
    with pytest.raises(ConfigError, match=message):
        made(name)


def test_weights_of_timm_say_their_pixels():
    found = defaults("timm/resnet18+mean")
    assert found["DATA.MEAN"] == pytest.approx([0.485, 0.456, 0.406])
    assert found["DATA.TRAIN_JITTER_SCALES"][0] > found["DATA.TRAIN_CROP_SIZE"] == 224


def test_the_table_of_steps_is_that_of_the_names(made):
    assert [*OVER_TIME] == ["mean", "max", "attention", "lstm", "gru"]
