"""Sharded checkpoints between one process and two, in both directions, beside ordinary ones."""

import runpy
import shutil
import sys

import pytest
import torch

from tests.conftest import ROOT, needs_sharding
from timesformer.checkpoint.load import load_weights, read_file
from timesformer.checkpoint.newest import newest_checkpoint
from timesformer.config import load_config
from timesformer.engine import run
from timesformer.files import checkpoint_folder, checkpoint_path
from timesformer.models import build_model


def same(a, b):
    """Whether two trees are equal, tensors bit by bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(value, b[key]) for key, value in a.items())
    return a == b


def convert(monkeypatch, source, to, out):
    arguments = ["convert_checkpoint.py", str(source), "--to", to, "--out", str(out)]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(ROOT / "tools/convert_checkpoint.py"), run_name="__main__")
    assert stopped.value.code == 0
    return out


@pytest.fixture
def go_on(tiny_yaml, tmp_path):
    """Train on one process, from a copy of a checkpoint; returns the last one."""

    def train(checkpoint, name):
        folder = checkpoint_folder(tmp_path / name)
        folder.mkdir(parents=True)
        copy = shutil.copytree if checkpoint.is_dir() else shutil.copy
        copy(checkpoint, folder / f"checkpoint_epoch_00002_batch_000004{checkpoint.suffix}")
        run.run(load_config(tiny_yaml, ["TEST.ENABLE", "False", "OUTPUT_DIR", str(folder.parent)]))
        assert "resuming after 4 batches of epoch 2" in (folder.parent / "stdout.log").read_text()
        return torch.load(folder / "checkpoint_epoch_00002.pyth", weights_only=True)

    return train


@needs_sharding
def test_two_processes_go_on_from_a_converted_file_and_one_from_their_parts(
    tiny_yaml, tmp_path, monkeypatch, go_on, two_processes
):
    """One process trains; from its first epoch, converted, two do; from their fourth batch one."""
    alone, folder = tmp_path / "alone", checkpoint_folder(tmp_path / "shared")
    off = ["TEST.ENABLE", "False", "OUTPUT_DIR"]
    run.run(load_config(tiny_yaml, [*off, str(alone)]))
    files = [torch.load(checkpoint_path(alone, i), weights_only=True) for i in (0, 1)]
    del files[0]["best"]  # so that the second epoch is the best
    torch.save(files[0], tmp_path / "first.pyth")
    parts = folder / "checkpoint_epoch_00001.dcp"
    convert(monkeypatch, tmp_path / "first.pyth", "sharded", parts)
    assert same(read_file(parts), files[0])

    options = ["DIST.STRATEGY", "fsdp", "DIST.SHARDED_CHECKPOINTS", "True"]
    options += ["TRAIN.CHECKPOINT_STEPS", "1", *off, str(folder.parent)]
    cfg = load_config(tiny_yaml, options)
    two_processes.run(cfg)
    assert "resuming after 0 batches of epoch 2" in (folder.parent / "stdout.log").read_text()
    names = ["best.pyth", "epoch_00001.dcp", "epoch_00002.dcp", "epoch_00002_batch_000004.dcp"]
    names = [f"checkpoint_{name}" for name in names]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert all((folder / name / f"__{i}_0.distcp").is_file() for name in names[2:] for i in (0, 1))
    best, last = read_file(folder / names[0]), read_file(folder / names[2])
    del best["written"], last["written"]  # the log went on between the two
    assert same(best, last)  # put together by PyTorch's all-gather; from the parts on the disk
    assert len(best["optimizer_state"]["state"]) == len(best["model_state"])
    for key, value in files[1]["model_state"].items():
        assert torch.allclose(value, last["model_state"][key], atol=1e-4), key
    assert newest_checkpoint(folder.parent) == folder / names[2]
    assert load_weights(build_model(cfg), folder / names[2]).exact

    parts = folder / names[3]
    file = convert(monkeypatch, parts, "published", tmp_path / "file.pyth")
    assert same(read_file(file), read_file(parts))
    ends = [go_on(source, name) for source, name in ((parts, "a"), (file, "b"))]
    for key in ("model_state", "optimizer_state", "best"):
        assert same(ends[0][key], ends[1][key]), key
    for key, value in ends[0]["model_state"].items():
        assert torch.allclose(value, last["model_state"][key], atol=1e-4), key
