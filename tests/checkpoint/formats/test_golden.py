"""Files of other implementations give the logits that those computed, through ``load_weights``."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from timesformer.checkpoint.files import read_file
from timesformer.checkpoint.formats import mmaction2
from timesformer.checkpoint.load import CheckpointError, load_weights, read_weights
from timesformer.models.timesformer import TimeSformer

SCHEMES = ("divided_space_time", "joint_space_time", "space_only")
HF = {"img_size": 32, "patch_size": 8, "num_frames": 4, "embed_dim": 48, "depth": 3, "num_heads": 3}


def logits(path, spec, clips, **kwargs):
    model = TimeSformer(**spec).eval()
    report = load_weights(model, path, **kwargs)
    assert report.exact, report
    with torch.no_grad():
        return model(clips)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_mmaction2(shared, tmp_path, scheme, prefix):
    path = shared / f"golden/shared_mmaction_{scheme}.pth"
    io = torch.load(shared / f"golden/shared_mmaction_{scheme}_io.pt", weights_only=True)
    state = torch.load(path, weights_only=True)["state_dict"]
    torch.save({"state_dict": {f"{prefix}{k}": v for k, v in state.items()}}, tmp_path / "file")
    found = logits(tmp_path / "file" if prefix else path, io["spec"], io["input"])
    assert (found - io["logits"]).abs().max() < 1e-5
    assert mmaction2.is_mmaction2(state)
    assert read_weights(path).format == "mmaction2 TimeSformer"


@pytest.mark.parametrize("where", ["folder", "safetensors", "shards", "bin", "prefixed"])
def test_hugging_face(shared, tmp_path, where):
    folder = shared / "golden/shared_hf_timesformer"
    io = torch.load(folder / "io.pt", weights_only=True)
    state = load_file(folder / "model.safetensors")
    if where == "folder":
        path = folder
    elif where == "safetensors":
        path = folder / "model.safetensors"
    elif where == "shards":
        path = write_shards(tmp_path, state)
    elif where == "bin":
        path = tmp_path / "pytorch_model.bin"
        torch.save(state, path)
    else:
        path = tmp_path / "a.safetensors"
        save_file({f"model.{name}": value for name, value in state.items()}, path)
    found = logits(path, {**HF, "num_classes": 7}, io["input"])
    assert (found - io["logits"]).abs().max() < 1e-5


def write_shards(folder, state):
    names = sorted(state)
    files = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(names)}
    for file in set(files.values()):
        save_file({n: state[n].contiguous() for n in names if files[n] == file}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": files}))
    return index


def paddle_case(shared):
    path = shared / "golden/shared_paddle_divided_space_time.pdparams"
    with np.load(shared / "golden/shared_paddle_divided_space_time_io.npz") as io:
        return path, torch.from_numpy(io["input"]), torch.from_numpy(io["logits"])


def test_paddle(shared):
    path, clips, expected = paddle_case(shared)
    assert (logits(path, {**HF, "num_classes": 7}, clips) - expected).abs().max() < 1e-5
    assert read_weights(path).format == "Paddle TimeSformer"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_files_are_taken(shared, tmp_path, dtype):
    path, clips, expected = paddle_case(shared)
    state = {k: v.to(dtype) for k, v in read_file(path).items()}
    save_file(state, tmp_path / "half")
    found = logits(tmp_path / "half", {**HF, "num_classes": 7}, clips)
    assert found.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 0.05


def test_the_heads_of_a_config_must_be_those_of_the_model(shared):
    with pytest.raises(
        CheckpointError, match=r"num_heads 3 in the file, 4 in the model \(TIMESFORMER.NUM_HEADS\)"
    ):
        load_weights(TimeSformer(**{**HF, "num_heads": 4}), shared / "golden/shared_hf_timesformer")


def test_all_sizes_that_differ_are_named_with_their_keys(shared):
    path = shared / "golden/shared_mmaction_joint_space_time.pth"
    with pytest.raises(CheckpointError) as raised:
        load_weights(TimeSformer(**{**HF, "embed_dim": 96, "depth": 3, "mlp_ratio": 2}), path)
    for text in ("embed_dim 48 in the file, 96", "depth 2 in the file, 3", "MLP_RATIO"):
        assert text in str(raised.value)


@pytest.mark.parametrize(("mode", "middle"), [("nearest", 0.0), ("linear", 0.25)])
def test_time_embeddings_are_resized_as_asked(shared, tmp_path, mode, middle):
    path = shared / "golden/shared_official_joint_space_time.pyth"
    state = torch.load(path, weights_only=True)["model_state"]
    state["model.time_embed"][0] = torch.arange(4.0)[:, None]
    torch.save(state, tmp_path / "file")
    model = TimeSformer(**{**HF, "num_frames": 8}, num_classes=7, attention_type="joint_space_time")
    load_weights(model, tmp_path / "file", time_resize=mode)
    assert model.time_embed[0, 1, 0] == middle
