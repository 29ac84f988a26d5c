"""Networks of libraries behind the names of the surface."""

import copy

import pytest
import torch
from torch import nn
from torchvision.models.video.resnet import BasicBlock, BasicStem, Conv3DSimple, VideoResNet

from timesformer.models.library import (
    FittingPool,
    LibraryModel,
    TokenError,
    inflate_input,
    over_channels,
)


def net(num_classes=3):
    return VideoResNet(BasicBlock, [Conv3DSimple] * 4, [1] * 4, BasicStem, num_classes).eval()


def wrapped(network, **kwargs):
    kwargs = {"kind": "net", "num_classes": 3, "input_spec": (3, 4, 16, 16)} | kwargs
    return LibraryModel(network, **kwargs).eval()


class Nested(nn.Module):
    """A classifier below other modules, which has a convolution of one place."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 8, 3)
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Conv3d(8, 3, 1))

    def forward(self, x):
        return self.head(self.conv(x)).mean(dim=(2, 3, 4))


def test_a_nested_classifier_keeps_its_name_and_its_mode():
    theirs = Nested().eval()
    ours = wrapped(copy.deepcopy(theirs))
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    clip = torch.randn(2, 3, 4, 8, 8)
    assert torch.allclose(ours(clip), theirs(clip), atol=1e-6)
    ours.train()
    assert not torch.equal(ours.forward_features(clip), ours.forward_features(clip))
    ours.eval()
    assert torch.equal(ours.forward_features(clip), ours.forward_features(clip))


def test_copies_and_loaded_values_compute_with_their_own_parameters():
    first, clip = wrapped(net()), torch.randn(1, 3, 4, 16, 16)
    second = copy.deepcopy(first)
    before = first(clip)
    with torch.no_grad():
        second.layer1[0].conv1[0].weight.zero_()
        second.fc.weight.zero_()
    assert torch.equal(first(clip), before)
    assert torch.allclose(second(clip), second.fc.bias)
    third = wrapped(net())
    third.load_state_dict(first.state_dict(), strict=True, assign=True)
    assert torch.equal(third(clip), before)


def test_gradients_reach_every_parameter():
    model = wrapped(net()).train()
    model(torch.randn(2, 3, 4, 16, 16)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_other_channels_start_from_the_mean_of_rgb():
    network = net()
    grey = torch.randn(1, 1, 4, 16, 16)
    wanted = network(grey.repeat(1, 3, 1, 1, 1))
    model = wrapped(network, input_spec=(20, 4, 16, 16))
    assert torch.allclose(model(grey.repeat(1, 20, 1, 1, 1)), wanted, atol=1e-5)
    weight = torch.randn(8, 3, 5, 5)
    assert torch.allclose(over_channels(weight, 20).sum(dim=1), weight.sum(dim=1), atol=1e-5)
    same = nn.Conv2d(3, 4, 3)
    kept = same.weight
    inflate_input(same, 3)
    assert same.weight is kept


def test_a_pool_larger_than_its_input_is_the_mean():
    pool = FittingPool((2, 7, 7), stride=1)
    x = torch.randn(1, 2, 3, 8, 8)
    assert torch.equal(pool(x), nn.AvgPool3d((2, 7, 7), stride=1)(x))
    small = x[:, :, :1, :3, :3]
    assert torch.allclose(pool(small)[..., 0, 0, 0], small.mean(dim=(2, 3, 4)), atol=1e-6)


def test_a_map_is_what_the_last_pool_got():
    model, clip = wrapped(net()), torch.randn(2, 3, 8, 32, 32)
    features, grid = model.forward_tokens(clip)
    assert grid.shape == (2, 1, 2, 2, 512)
    assert torch.allclose(grid.mean(dim=(1, 2, 3)), features, atol=1e-5)


def test_a_model_without_pool_has_no_map():
    with pytest.raises(TokenError, match="net has no map of features .* use .*--tokens cls"):
        wrapped(Nested()).forward_tokens(torch.randn(1, 3, 4, 8, 8))
