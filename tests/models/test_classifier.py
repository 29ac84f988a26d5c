"""The surface that the rest of the package uses, of every model."""

import pytest
import torch
from torch import nn

from timesformer.config import load_config
from timesformer.models import build_model
from timesformer.models.classifier import classifier_parameters, layers, parameter_depths

NAMES = [
    "vit_base_patch16_224",
    "torchvision/mc3_18",
    "timm/test_resnet+lstm",
    "timm/vit_tiny_patch16_224+attention",
]


@pytest.fixture(params=NAMES)
def model(request, tiny_yaml):
    torch.manual_seed(0)
    return build_model(load_config(tiny_yaml, ["MODEL.MODEL_NAME", request.param])).eval()


def test_logits_are_the_classifier_of_the_features(model):
    clip = torch.randn(2, *model.input_spec)
    features = model.forward_features(clip)
    assert features.shape == (2, model.num_features)
    assert torch.equal(model(clip), model.get_classifier()(features))
    assert torch.equal(model(features), model(clip))


def test_a_new_classifier_has_other_classes_and_none_is_the_identity(model):
    clip = torch.randn(1, *model.input_spec)
    model.reset_classifier(7)
    assert model(clip).shape == (1, 7)
    assert isinstance(model.get_classifier(), nn.Linear)
    model.reset_classifier(0)
    assert torch.equal(model(clip), model.forward_features(clip))
    model.reset_classifier(3)
    assert model(clip).shape == (1, 3)


def test_every_parameter_is_in_one_layer_group_or_the_classifier(model):
    names = [name for group in model.layer_groups() for name in group]
    assert len(names) == len(set(names))
    depths, classifier = parameter_depths(model), classifier_parameters(model)
    assert len(classifier) == 2
    assert depths.keys() | set(classifier) == {name for name, _ in model.named_parameters()}
    assert not depths.keys() & set(classifier)
    assert set(depths.values()) == set(range(len(model.layer_groups())))


def test_layers_are_modules_of_their_own_and_undecayed_names_are_parameters(model):
    found = layers(model)
    assert len(found) > 1
    assert all(any(True for _ in layer.parameters()) for layer in found)
    assert model.no_weight_decay() <= {name for name, _ in model.named_parameters()}


def test_patch_tokens_go_with_the_features(model):
    clip = torch.randn(2, *model.input_spec)
    features, grid = model.forward_tokens(clip)
    assert torch.allclose(features, model.forward_features(clip), atol=1e-5)
    assert grid.ndim == 5
    assert (grid.shape[0], grid.shape[-1]) == (2, model.num_features)
