"""C3D: the counts and shapes of the paper, and a plain sequence of layers."""

import pytest
import torch
from torch import nn

from tests.models.made_families import NARROW
from timesformer.config import load_config
from timesformer.models import build_model
from timesformer.models.baselines.c3d import C3D, defaults
from timesformer.models.library import TokenError


def test_it_has_78_4_million_parameters_by_their_plain_names(tiny_yaml):
    options = ["MODEL.MODEL_NAME", "c3d", "MODEL.NUM_CLASSES", "101"]
    with torch.device("meta"):
        model = build_model(load_config(tiny_yaml, options))
    assert round(sum(each.numel() for each in model.parameters()) / 1e6, 1) == 78.4
    assert {name.split(".")[0] for name in model.state_dict()} == {
        *("conv1", "conv2", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b"),
        *("fc6", "fc7", "fc8"),
    }
    assert model.fc6.weight.shape == (4096, 8192)
    clip = torch.empty(1, 3, 16, 112, 112, device="meta")
    assert model(clip).shape == (1, 101)


def sequence(model):
    """The same layers, one after the other."""
    pool, relu = nn.MaxPool3d, nn.ReLU
    return nn.Sequential(
        *(model.conv1, relu(), pool((1, 2, 2)), model.conv2, relu(), pool(2)),
        *(model.conv3a, relu(), model.conv3b, relu(), pool(2)),
        *(model.conv4a, relu(), model.conv4b, relu(), pool(2)),
        *(model.conv5a, relu(), model.conv5b, relu(), pool(2, padding=(0, 1, 1))),
        *(nn.Flatten(), model.fc6, relu(), model.fc7, relu(), model.fc8),
    )


def test_logits_are_those_of_its_layers_in_order():
    model = C3D(num_classes=5, input_spec=(3, 16, 112, 112), widths=NARROW).eval()
    clip = torch.randn(1, 3, 16, 112, 112)
    assert torch.allclose(model(clip), sequence(model)(clip), atol=1e-5)
    assert model(clip[..., :40, :64]).shape == (1, 5)
    with pytest.raises(TokenError, match="c3d has no map .*--tokens cls"):
        model.forward_tokens(clip)
    with pytest.raises(RuntimeError, match="too small"):
        model(clip[:, :, :8])


def test_the_published_pixels_are_bgr_less_the_mean_of_sports1m():
    found = defaults("c3d")
    assert found["DATA.REVERSE_INPUT_CHANNEL"]
    b, g, r = 90.25, 97.66, 101.41
    pixel = torch.tensor([200.0, 100.0, 50.0])  # R, G, B
    mean, std = torch.tensor(found["DATA.MEAN"]), torch.tensor(found["DATA.STD"])
    ours = ((pixel / 255 - mean) / std).flip(0)
    assert torch.allclose(ours, torch.tensor([50 - b, 100 - g, 200 - r]), atol=1e-4)
