"""Depths of networks by their structure."""

from torch import nn

from timesformer.models.layer_groups import layer_groups


def linear():
    return nn.Linear(2, 2)


def test_containers_are_opened_and_dropout_goes_with_the_layer_before():
    model = nn.Module()
    model.stem = linear()
    model.blocks = nn.Sequential(linear(), nn.Sequential(linear(), nn.ReLU()), nn.Dropout())
    model.pool = nn.AvgPool3d(2)
    model.head = nn.Sequential(nn.Dropout(), linear())
    groups = layer_groups(model, "head.1")
    assert groups == [("stem",), ("blocks.0",), ("blocks.1.0", "blocks.2", "head.0")]


def test_a_network_without_containers_has_its_depth_in_its_longest_list():
    model = nn.Module()
    model.body = nn.Module()
    model.body.embed = linear()
    model.body.encoder = nn.Module()
    model.body.encoder.layer = nn.ModuleList(linear() for _ in range(3))
    model.body.pair = nn.ModuleList(linear() for _ in range(2))
    model.norm = nn.LayerNorm(2)
    model.classifier = linear()
    assert [group[0] for group in layer_groups(model, "classifier")] == [
        "body.embed",
        *(f"body.encoder.layer.{i}" for i in range(3)),
        *(f"body.pair.{i}" for i in range(2)),
        "norm",
    ]


def test_parameters_of_an_opened_module_go_with_its_first_child():
    model = nn.Module()
    model.encoder = nn.Module()
    model.encoder.cls_token = nn.Parameter(linear().weight)
    model.encoder.embed = linear()
    model.encoder.blocks = nn.Sequential(linear(), linear())
    found = layer_groups(model, "head", opened=("encoder",))
    assert found[0] == ("encoder.cls_token", "encoder.embed")
    assert found[1:] == [("encoder.blocks.0",), ("encoder.blocks.1",)]
