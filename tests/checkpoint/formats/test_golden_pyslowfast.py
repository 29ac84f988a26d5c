"""Official files of PySlowFast give the logits that its public code computes.

``golden_pyslowfast.json`` has, for five recipes of the public model zoo, every layer in the order of the
public state dict and the logits of one clip; ``sources`` names the package, the commits and the files
that it is of. Its lines are ``LAYER KIND SIZE [NAME IN CAFFE2]``.

It can be made again from that code: build the recipe with crops of 64 pixels and its own number of
frames, fill the state dict with ``value``, take ``clip`` (for SlowFast through
``pack_pathway_output``), and note, in eval mode and double precision, what ``head.projection`` gives and
what the model returns. Every number is of numpy's RandomState, which never changes: ``uniform`` is in
[-1, 1), seeded by the CRC-32 of a name.
"""

import json
import math
import pickle
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.checkpoint.python2_pickle import dump_python2
from timesformer.checkpoint.formats import FormatError, Weights
from timesformer.checkpoint.formats.libraries import for_model
from timesformer.checkpoint.formats.pyslowfast import POOLS
from timesformer.checkpoint.inspect import summarize
from timesformer.checkpoint.load import CheckpointError, load_weights
from timesformer.checkpoint.model_spec import read_model_spec
from timesformer.config import load_config
from timesformer.models import build_model
from timesformer.models.layouts import LAYOUTS

GOLDEN = json.loads(Path(__file__).with_name("golden_pyslowfast.json").read_text())
MODELS = [name for name in GOLDEN if name != "sources"]
TOLERANCE = 1e-5  # of the largest logit
WRONG = 1e-3  # what another network differs by at least
NORM = {"weight": "s", "bias": "b", "running_mean": "rm", "running_var": "riv"}  # -> in Caffe2
CFG = "MODEL:\n  ARCH: {}\n  MODEL_NAME: ResNet\nRESNET:\n  DEPTH: 50\n"

pytest.importorskip("pytorchvideo")


def uniform(name, shape):
    drawn = np.random.RandomState(zlib.crc32(name.encode())).random_sample(shape)
    return torch.from_numpy((2 * drawn - 1).astype(np.float32))


def value(name, shape):
    kind = name.rsplit(".", 1)[1]
    if kind == "running_var":
        return 1 + 0.5 * uniform(name, shape)
    if kind in ("bias", "running_mean"):
        return 0.25 * uniform(name, shape)
    if len(shape) == 1:  # the scale of a norm
        return 1 + 0.25 * uniform(name, shape)
    return uniform(name, shape) * math.sqrt(3 / math.prod(shape[1:]))


def layers(name):
    """Name, kind, shapes by kind of tensor, and [name in Caffe2] of every layer."""
    for line in GOLDEN[name]["layers"]:
        layer, kind, size, *caffe2 = line.split()
        shape = tuple(map(int, size.split("x")))
        shapes = {"weight": shape}
        if kind == "norm":
            shapes = dict.fromkeys(NORM, shape)
        elif kind == "weight+bias":
            shapes["bias"] = shape[:1]
        yield layer, kind, shapes, caffe2


def official(name):
    """The public state dict, in its order."""
    state = {}
    for layer, kind, shapes, _ in layers(name):
        state |= {f"{layer}.{k}": value(f"{layer}.{k}", shape) for k, shape in shapes.items()}
        if kind == "norm":
            state[f"{layer}.num_batches_tracked"] = torch.tensor(100)
    return state


def names(name):
    """Public name, shape, and name in Caffe2 of every tensor but counts."""
    for layer, kind, shapes, (caffe2,) in layers(name):
        for k, shape in shapes.items():
            yield f"{layer}.{k}", shape, f"{caffe2}_{NORM[k] if kind == 'norm' else k[0]}"


def blobs(name):
    """``official`` as a file of Caffe2 has it, with what its training leaves there."""
    found = {"lr": np.float32([0.1]), "model_iter": np.array([7]), "conv1_w_momentum": np.ones(3)}
    return found | {old: value(public, shape).numpy() for public, shape, old in names(name)}


def clip(name):
    return 2 * uniform("clip", GOLDEN[name]["clip"])[None]


@pytest.fixture
def config(tiny_yaml):
    def make(name):
        _, frames, side, _ = GOLDEN[name]["clip"]
        options = {
            "MODEL.MODEL_NAME": f"pytorchvideo/{name}", "MODEL.NUM_CLASSES": 400,
            "DATA.NUM_FRAMES": frames, "DATA.TRAIN_CROP_SIZE": side, "DATA.TEST_CROP_SIZE": side,
            "DATA.TRAIN_JITTER_SCALES": [side, side],
        }  # fmt: skip
        return load_config(tiny_yaml, [str(part) for pair in options.items() for part in pair])

    return make


@pytest.fixture
def load(config):
    """The model of the golden ``name`` with the weights of a file, and the report."""

    def make(name, path):
        model = build_model(config(name)).eval()
        report = load_weights(model, path)
        path.unlink()  # 140 MB
        return model, report

    return make


@torch.no_grad()
def difference(model, name):
    """The largest of all logits to the golden ones, as a part of the largest logit."""
    wanted = torch.tensor(GOLDEN[name]["logits"], dtype=torch.float64)
    return float((model(clip(name))[0] - wanted).abs().max() / wanted.abs().max())


def every_fourth_frame(model, monkeypatch):
    monkeypatch.setitem(LAYOUTS, "slow_fast", lambda x: [x[:, :, ::4], x])


def frames_of_one_quarter(model, monkeypatch):
    monkeypatch.setitem(LAYOUTS, "slow_fast", lambda x: [x[:, :, : x.shape[2] // 4], x])


def strides_in_first_convolutions(model, monkeypatch):
    strided = {name: m for name, m in convolutions(model, "conv_b") if m.stride[1] == 2}
    first = {n: m for n, m in convolutions(model, "conv_a") if n.replace("_a", "_b") in strided}
    assert strided.keys() == {name.replace("_a", "_b") for name in first}
    for module in first.values():
        monkeypatch.setattr(module, "stride", (1, 2, 2))
    for module in strided.values():
        monkeypatch.setattr(module, "stride", (1, 1, 1))


def dilated(model, monkeypatch):
    for _, module in convolutions(model, "conv_b"):
        monkeypatch.setattr(module, "dilation", (1, 2, 2))
        monkeypatch.setattr(module, "padding", (0, 2, 2))


def convolutions(model, leaf):
    return [(name, m) for name, m in model.named_modules() if name.endswith(f".{leaf}")]


def no_pool_over_time(model, monkeypatch):
    pools = [m for m in model.modules() if isinstance(m, nn.MaxPool3d) and m.kernel_size[0] == 2]
    for pool in pools:
        monkeypatch.setattr(pool, "kernel_size", 1)
        monkeypatch.setattr(pool, "stride", 1)
    assert len(pools) == 1


def other_epsilon(model, monkeypatch):
    """That of timm and of Keras."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm3d):
            monkeypatch.setattr(module, "eps", 1e-3)


def no_squeeze(model, monkeypatch):
    for _, module in convolutions(model, "norm_b"):
        monkeypatch.setitem(module._modules, "1", nn.Identity())


def no_swish(model, monkeypatch):
    for _, module in convolutions(model, "branch2"):
        monkeypatch.setitem(module._modules, "act_b", nn.ReLU())


def no_last_relu(model, monkeypatch):
    monkeypatch.setitem(model.get_submodule("blocks.5.pool")._modules, "post_act", None)


BREAKS = {
    "slowfast_r50": (every_fourth_frame, frames_of_one_quarter, strides_in_first_convolutions),
    "slow_r50": (strides_in_first_convolutions, dilated, other_epsilon),
    "i3d_r50": (no_pool_over_time,),
    "c2d_r50": (no_pool_over_time,),
    "x3d_m": (strides_in_first_convolutions, other_epsilon, no_squeeze, no_swish, no_last_relu),
}


@pytest.mark.parametrize("name", MODELS)
def test_official_files_give_the_logits_of_the_public_code(name, load, tmp_path, monkeypatch):
    path = tmp_path / "official.pyth"
    torch.save(
        {"epoch": 3, "model_state": official(name), "cfg": CFG.format(name.split("_")[0])}, path
    )
    model, report = load(name, path)
    assert not report.unused
    assert not report.newly_initialized
    assert difference(model, name) < TOLERANCE
    public = torch.tensor(GOLDEN[name]["probabilities"])  # what the public model returns
    with torch.no_grad():
        assert torch.allclose(model(clip(name)).softmax(-1)[0, : len(public)], public, rtol=1e-4)
    for wrong in BREAKS[name]:
        with monkeypatch.context() as patch:
            wrong(model, patch)
            assert difference(model, name) > WRONG, wrong.__name__
    assert difference(model, name) < TOLERANCE


def test_files_of_caffe2_give_them_too(load, tmp_path):
    path, name = tmp_path / "caffe2.pkl", "slowfast_r50"
    with path.open("wb") as file:
        dump_python2({"blobs": blobs(name)}, file)
    model, report = load(name, path)
    assert not report.unused
    assert all(each.endswith("num_batches_tracked") for each in report.newly_initialized)
    assert difference(model, name) < TOLERANCE


@pytest.mark.parametrize("name", [name for name in MODELS if name != "x3d_m"])
def test_every_name_of_caffe2_is_that_of_the_public_converter(name, config):
    """``layers`` has both names of a layer; the public converter made one of the other."""
    with torch.device("meta"):
        model = build_model(config(name))
    tensors = {n: torch.empty(shape, device="meta") for n, shape, _ in names(name)}
    caffe2 = {old: tensors[n] for n, _, old in names(name)}
    wanted = for_model(Weights(tensors), model)
    found = for_model(Weights(caffe2), model)
    assert found.state.keys() == wanted.state.keys() <= model.state_dict().keys()
    assert all(found.state[n] is tensor for n, tensor in wanted.state.items())
    assert found.format == f"{wanted.format} of Caffe2"
    # the model zoo's C2D is one without a pool, and its names and shapes are those of one with it
    assert (POOLS in found.notes) == (name == "c2d_r50")


def test_a_file_of_caffe2_says_which_model_it_is_of(tmp_path):
    path = tmp_path / "caffe2.pkl"
    for names, family in (
        (["res2_0_branch2a_w", "pred_w"], r"a 3-D ResNet or X3D \(pytorchvideo/NAME\)"),
        (["res2_0_branch2a_w", "t_res2_0_branch2a_w"], r"SlowFast \(pytorchvideo/slowfast_r50\)"),
    ):
        path.write_bytes(pickle.dumps({"blobs": {name: np.ones((2, 2)) for name in names}}))
        with pytest.raises(CheckpointError, match=f"looks like weights of {family}: add MODEL"):
            read_model_spec(path)


def test_an_x3d_without_a_part_of_its_shortcut_is_refused(load, tmp_path):
    path, state = tmp_path / "official.pyth", official("x3d_m")
    del state["s2.pathway0_res0.branch2.c_bn.bias"]
    torch.save({"model_state": state}, path)
    with pytest.raises(
        CheckpointError, match=r"norm_c.bias\).*no place \(blocks.1.res_blocks.0.bran"
    ):
        load("x3d_m", path)


@pytest.mark.parametrize("arch", ["c2d_nopool", "slow_c2d"])
def test_a_network_without_the_pool_of_the_model_is_refused(config, tmp_path, arch):
    cfg = CFG.format(arch)
    tensors = {
        name: value.new_zeros(()).expand(value.shape) for name, value in official("c2d_r50").items()
    }
    torch.save({"model_state": tensors, "epoch": 1, "cfg": cfg}, tmp_path / "a.pyth")
    with pytest.raises(FormatError, match=rf"says MODEL.ARCH {arch}, a network without the pool"):
        load_weights(build_model(config("c2d_r50")), tmp_path / "a.pyth")


def test_inspect_tells_what_to_add_and_then_what_loads(tmp_path):
    torch.save(
        {"model_state": official("x3d_m"), "epoch": 1, "cfg": CFG.format("x3d")}, tmp_path / "a"
    )
    facts = summarize(tmp_path / "a")
    assert facts["kind"] == "weights of a 3-D ResNet or X3D (pytorchvideo/NAME)"
    assert facts["loads"].endswith("(pytorchvideo/NAME); add MODEL.MODEL_NAME and that")
    facts = summarize(tmp_path / "a", ["MODEL.MODEL_NAME", "pytorchvideo/x3d_m"])
    assert (facts["format"], facts["kind"]) == ("PySlowFast X3D", "pytorchvideo/x3d_m")
    assert "tensors loaded" in facts["loads"]
    assert "unused" not in facts["loads"]
