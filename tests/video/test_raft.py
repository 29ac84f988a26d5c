"""RAFT small: the library's network on the whole image, and its weights from a file."""

import numpy as np
import pytest
import torch
from torchvision.models.optical_flow import Raft_Small_Weights
from torchvision.models.optical_flow import raft_small as build

from tests.video.moving import shifted
from timesformer.video.flow import FieldMaker, FlowSettings, quantize
from timesformer.video.raft import URL, RaftWeightsError, raft_small


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights, which are enough to compare two ways."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("raft") / "raft.pth"
    torch.save(build(weights=None).state_dict(), path)
    return str(path)


@torch.inference_mode()
def test_the_flow_is_that_of_torchvision_with_its_own_transforms(weights):
    first, second = shifted(2, (3, -2), height=128, width=136)
    model = build(weights=None).eval()
    model.load_state_dict(torch.load(weights, weights_only=True))
    planes = [torch.from_numpy(image).permute(2, 0, 1)[None] for image in (first, second)]
    expected = model(*Raft_Small_Weights.C_T_V2.transforms()(*planes))[-1][0].permute(1, 2, 0)
    flow = raft_small(weights)(first, second)
    assert np.abs(flow - expected.numpy()).max() < 1e-3
    maker = FieldMaker(FlowSettings("raft_small", 20.0, 256), weights=weights)
    assert np.array_equal(maker.between(first, second), quantize(flow, 20.0))


def test_any_size_works(weights):
    first, second = shifted(2, (1, 0), height=30, width=131)
    assert raft_small(weights)(first, second).shape == (30, 131, 2)


def test_the_url_is_that_of_torchvision():
    assert Raft_Small_Weights.C_T_V2.url == URL


def test_missing_and_wrong_weights_say_what_to_copy_where(tmp_path):
    wrong = tmp_path / "wrong.pth"
    torch.save({"a": torch.zeros(1)}, wrong)
    noise = tmp_path / "noise.pth"
    noise.write_bytes(b"not weights")
    for path, what in (
        ("", "needs a file of weights"),
        (str(tmp_path / "no.pth"), "no such file"),
        (str(wrong), "not the weights of torchvision's raft_small"),
        (str(noise), "not the weights of torchvision's raft_small"),
        (str(tmp_path), "not the weights"),
    ):
        with pytest.raises(RaftWeightsError, match=f"{what}.*download https://.*raft_small_C_T_V2"):
            raft_small(path)
