"""What fits of weights, and what is said of the rest."""

import pytest
import torch

from timesformer.checkpoint.files import CheckpointError
from timesformer.checkpoint.formats import Weights
from timesformer.checkpoint.match import load_state, match
from timesformer.models.timesformer import TimeSformer

SIZES = {"img_size": 16, "patch_size": 8, "embed_dim": 8, "depth": 1, "num_heads": 2}


def model(**kwargs):
    return TimeSformer(**{**SIZES, "num_frames": 2, "num_classes": 3, **kwargs})


def test_half_a_classifier_is_none():
    state = dict(model().state_dict())
    state["head.weight"] = torch.zeros(4, 8)
    target = model()
    before = target.head.bias.clone()
    state["head.bias"] = torch.ones(3)
    report = match(target, Weights(state), source="file", strict=True)
    assert report.newly_initialized == ["head.weight", "head.bias"]
    assert torch.equal(target.head.bias, before)
    assert "its classes differ: file 4, model 3" in str(report)


def test_a_model_on_the_meta_device_learns_what_would_fit():
    with torch.device("meta"):
        empty = model()
    report = match(empty, Weights(dict(model().state_dict())), source="file", strict=True)
    assert report.exact
    assert empty.norm.weight.is_meta
    load_state(empty, dict(model().state_dict()), source="file", assign=True)
    assert not empty.norm.weight.is_meta


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"attention_type": "axial"}, "attention_type axial in the file, joint_space_time in the"),
        ({"attention_type": "joint_space_time", "depth": 2}, "depth 2 in the file, 1 in the model"),
        ({"attention_type": "joint_space_time", "pre_norm": True}, "pre_norm True in the file"),
    ],
)
def test_a_foreign_scheme_depth_or_norm_is_refused_by_name(other, said):
    weights = Weights(dict(model(**other).state_dict()))
    with pytest.raises(CheckpointError, match=f"does not fit this model: .*{said}"):
        match(model(attention_type="joint_space_time"), weights, source="file", strict=True)


def test_a_video_model_without_its_time_embedding_is_refused():
    state = dict(model().state_dict())
    del state["time_embed"]
    with pytest.raises(CheckpointError, match=r"1 parameters are not in the file \(time_embed\)"):
        match(model(), Weights(state), source="file", strict=True)


def test_quantized_weights_are_refused():
    """Without their scales they would be other numbers."""
    state = {name: (100 * value).to(torch.int8) for name, value in model().state_dict().items()}
    with pytest.raises(CheckpointError, match=r"file holds torch.int8 where .* it is quantized"):
        match(model(), Weights(state), source="file", strict=False)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e5m2])
def test_weights_that_are_not_finite_are_refused_by_name(value, dtype):
    """A single one among thousands, in files of any precision; the model keeps what it had."""
    state = {name: tensor.to(dtype) for name, tensor in model().state_dict().items()}
    for name in ("norm.weight", "head.bias"):
        state[name].view(-1)[-1] = value
    target = model()
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    with pytest.raises(
        CheckpointError,
        match=rf"file holds NaN or infinity in 2 of {len(state)} tensors \(norm.weight, head.bias\), "
        "and weights must be finite: .*Use an earlier checkpoint",
    ):
        match(target, Weights(state), source="file", strict=False)
    assert all(torch.equal(tensor, before[name]) for name, tensor in target.state_dict().items())


def test_what_the_model_does_not_take_need_not_be_finite():
    state = dict(model(num_classes=9).state_dict())
    state["head.bias"] = torch.full((9,), torch.nan)
    assert match(model(), Weights(state), source="file", strict=True).newly_initialized
    largest = torch.finfo(torch.float32).max
    state["norm.weight"] = torch.full((8,), largest)  # a sum of these is infinite
    assert match(model(), Weights(state), source="file", strict=True).loaded
