"""A checkpoint goes back into the training that wrote it, and into no other one; it is read once."""

import builtins
import io
import json
import os
import zipfile
from pathlib import Path

import pytest
import torch
import yaml

from tests.checkpoint.test_load import model, same_weights
from tests.checkpoint.test_save import save, trained
from timesformer.checkpoint.files import Checkpoint
from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.newest import damage
from timesformer.checkpoint.resume import load_train_state
from timesformer.checkpoint.save import write_sharded
from timesformer.config import load_config
from timesformer.config.keys import OLD_NAMES
from timesformer.engine import run
from timesformer.engine.train_step import TrainStep
from timesformer.files import checkpoint_path
from timesformer.models.timesformer import TimeSformer


def test_training_goes_on_from_model_optimizer_and_epoch(tmp_path):
    net, optimizer = trained(0)
    path = save(tmp_path, net, optimizer, epoch=4)
    other = model(seed=9)
    fresh = torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9)
    position, report, _ = load_train_state(Checkpoint.read(path), other, fresh)
    assert (position, report.exact) == ((5, 0), True)
    clip = torch.randn(2, 3, 4, 16, 16)
    for one, its in ((net, optimizer), (other, fresh)):
        one.eval()(clip).square().sum().backward()
        its.step()
    assert same_weights(net, other)


def test_the_options_of_the_optimizer_are_those_of_the_configuration(tmp_path):
    """Not of the file: its decay, its factors of the learning rate, the kernels of its machine."""
    net, optimizer = trained(0)
    optimizer.param_groups[0] |= {"lr_scale": 1.0, "weight_decay": 0.5}
    path = save(tmp_path, net, optimizer, epoch=4)
    group = {"params": list(net.parameters()), "lr_scale": 3.0}
    fresh = torch.optim.SGD([group], lr=0.2, momentum=0.5, weight_decay=0.25, fused=True)
    before = {key: value for key, value in fresh.param_groups[0].items() if key != "params"}
    load_train_state(Checkpoint.read(path), net, fresh)
    now = fresh.param_groups[0]
    assert {key: now[key] for key in before} == before
    assert (now["weight_decay"], now["lr_scale"], now["fused"]) == (0.25, 3.0, True)
    buffers = [fresh.state[p]["momentum_buffer"] for p in net.parameters()]
    originals = [optimizer.state[p]["momentum_buffer"] for p in net.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(buffers, originals, strict=True))


def test_the_optimizer_state_of_a_published_checkpoint_is_taken(shared):
    io = torch.load(shared / "golden/shared_official_divided_space_time_io.pt", weights_only=True)
    path = shared / "golden/shared_official_divided_space_time.pyth"
    net = TimeSformer(**io["spec"])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    resumed = load_train_state(Checkpoint.read(path), net, optimizer)
    assert resumed.position == (torch.load(path, weights_only=True)["epoch"] + 1, 0)


def test_empty_groups_of_published_optimizer_states_are_dropped(tmp_path):
    net, optimizer = trained(0)
    path = save(tmp_path, net, optimizer, epoch=0)
    content = torch.load(path, weights_only=True)
    groups = content["optimizer_state"]["param_groups"]
    content["optimizer_state"]["param_groups"] = [{**groups[0], "params": []}, *groups]
    torch.save(content, path)
    fresh = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    load_train_state(Checkpoint.read(path), net, fresh)
    buffers = [fresh.state[p]["momentum_buffer"] for p in net.parameters()]
    originals = [optimizer.state[p]["momentum_buffer"] for p in net.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(buffers, originals, strict=True))


def test_another_model_or_optimizer_is_not_gone_on_from(tmp_path):
    net, optimizer = trained(0)
    path = save(tmp_path, net, optimizer, epoch=0)
    other = model(num_classes=9)
    with pytest.raises(CheckpointError, match=r"not a checkpoint of this model.*AUTO_RESUME False"):
        load_train_state(Checkpoint.read(path), other, torch.optim.SGD(other.parameters(), lr=0.1))
    groups = [{"params": [p]} for p in net.parameters()]
    with pytest.raises(CheckpointError, match="optimizer state .* does not fit"):
        load_train_state(Checkpoint.read(path), net, torch.optim.SGD(groups, lr=0.1))
    torch.save(net.state_dict(), tmp_path / "weights")
    with pytest.raises(CheckpointError, match=r"no epoch and optimizer state.*FINETUNE True"):
        load_train_state(Checkpoint.read(tmp_path / "weights"), net, optimizer)


@pytest.mark.parametrize("entry", ["model_state", "ema_state"])
def test_weights_that_are_not_finite_are_not_gone_on_from(tmp_path, entry):
    net, optimizer = trained(0)
    path = save(tmp_path, net, optimizer, epoch=0)
    content = torch.load(path, weights_only=True)
    state = {name: value.clone() for name, value in content["model_state"].items()}
    state["model.norm.bias"][0] = torch.inf
    torch.save({**content, entry: state}, path)
    with pytest.raises(
        CheckpointError, match=r"infinity in 1 of 49 .*norm.bias.*one before, delete this one"
    ):
        load_train_state(Checkpoint.read(path), net, optimizer)


class CountedFile(io.FileIO):
    """A file that counts the bytes that are read of it, whatever reads them."""

    def __init__(self, path, reads):
        super().__init__(path)
        self.reads = reads
        reads.append([str(path), 0])
        self.count = reads[-1]

    def readinto(self, buffer):
        number = super().readinto(buffer)
        self.count[1] += number
        return number

    def readall(self):
        content = super().readall()
        self.count[1] += len(content)
        return content


@pytest.fixture
def whole_reads(monkeypatch):
    """Names of the files of checkpoints of which at least half was read at once, in order."""
    reads, opened = [], io.open

    def watched(file, mode="r", *args, **options):
        if isinstance(file, str | os.PathLike) and mode == "rb" and "checkpoint_" in str(file):
            return io.BufferedReader(CountedFile(file, reads))
        return opened(file, mode, *args, **options)

    def unwatched(*args, **options):
        raise AssertionError("a checkpoint is read in a way that is not counted")

    monkeypatch.setattr(io, "open", watched)
    monkeypatch.setattr(builtins, "open", watched)
    monkeypatch.setattr(torch.UntypedStorage, "from_file", unwatched)
    return lambda: [Path(path).name for path, count in reads if count > os.stat(path).st_size / 2]


@pytest.mark.parametrize("is_sharded", [False, True])
def test_a_resume_reads_the_checkpoint_once(tiny_yaml, tmp_path, monkeypatch, request, is_sharded):
    options = ["TEST.ENABLE", "False"]
    run.launch_run(load_config(tiny_yaml, [*options, "SOLVER.MAX_EPOCH", "1"]))
    path = checkpoint_path(tmp_path / "out", 0)
    expected = [path.name]
    if is_sharded:
        folder = path.with_suffix(".dcp")
        write_sharded(folder, Checkpoint.read(path).entries)
        path.unlink()
        expected = sorted(part.name for part in folder.iterdir())
    whole_reads, at_first_step = request.getfixturevalue("whole_reads"), []

    def stop(*_args, **_options):
        at_first_step.extend(whole_reads())
        raise ZeroDivisionError

    monkeypatch.setattr(TrainStep, "backward", stop)
    again = load_config(tiny_yaml, [*options, "TRAIN.RESUME_ANYWAY", "True"])
    with pytest.raises(ZeroDivisionError):
        run.launch_run(again)
    small = ["plain.pyth"]  # of the folder: the entries, which are read to choose it
    assert sorted(name for name in at_first_step if name not in small) == [
        name for name in expected if name not in small
    ]
    assert "resuming after 0 batches of epoch 2" in (tmp_path / "out/stdout.log").read_text()


def test_every_record_is_compared_with_its_checksum_by_that_one_read(tmp_path):
    path = save(tmp_path, *trained(0, steps=1), epoch=0)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            with archive.open(info):
                start = archive.fp.tell()
            content = bytearray(whole)
            content[start + info.file_size // 2] ^= 1
            path.write_bytes(content)
            assert damage(path), info.filename


ENTRIES = [  # of the checkpoints that 1.0 wrote inside an epoch
    *(
        "epoch",
        "model_state",
        "optimizer_state",
        "scaler_state",
        "ema_state",
        "best",
        "guard",
        "cfg",
    ),
    *(
        "preprocessing",
        "data",
        "versions",
        "command",
        "sampling",
        "started_from",
        "run",
        "position",
    ),
    *("written", "meter"),
]
PARTS = {
    "best": ["badness", "epoch", "stale", "seen"],
    "guard": ["in_a_row", "good_steps", "went_back"],
    "position": ["epoch", "batch"],
    "sampling": ["batches of an epoch", "videos known to be unreadable"],
    "started_from": ["how", "file", "sha256", "cut_from_names"],
    "meter": ["count", "window", "sums", "lr", "grad_norm"],
}


def test_a_run_that_was_started_by_an_earlier_version_resumes(tiny_yaml, tmp_path):
    """From its files of then: the entries of a checkpoint, old names of keys, run.json, logs."""
    options = ["TEST.ENABLE", "False", "TRAIN.CHECKPOINT_STEPS", "1", "TRAIN.EMA_DECAY", "0.5"]
    cfg = load_config(tiny_yaml, options)
    run.launch_run(cfg)
    whole, folder = tmp_path / "out", tmp_path / "before"
    inside = max((whole / "checkpoints").glob("checkpoint_epoch_*_batch_*.pyth"))
    written = torch.load(inside, weights_only=True)
    tree = yaml.safe_load(cfg.dump())
    for old, new in OLD_NAMES.items():
        (old_section, old_key), (section, key) = old.split("."), new.split(".")
        tree[old_section][old_key] = tree[section].pop(key)
    payload = {name: written[name] for name in ENTRIES} | {"cfg": yaml.safe_dump(tree)}
    for name, parts in PARTS.items():
        payload[name] = {part: written[name][part] for part in parts}
    (folder / "checkpoints").mkdir(parents=True)
    torch.save(payload, folder / "checkpoints" / inside.name)
    (folder / "run.json").write_text(json.dumps({"run": written["run"], "sessions": []}))
    run.launch_run(load_config(tiny_yaml, [*options, "OUTPUT_DIR", str(folder)]))
    assert "resuming after 4 batches of epoch 2" in (folder / "stdout.log").read_text()
    ends = [torch.load(checkpoint_path(out, 1), weights_only=True) for out in (whole, folder)]
    for name in ("model_state", "ema_state"):
        assert all(torch.equal(ends[0][name][key], ends[1][name][key]) for key in ends[0][name])
    assert ends[0]["best"] == ends[1]["best"]
    assert ends[0]["run"] == ends[1]["run"]
