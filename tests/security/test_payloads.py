"""Malformed content of checkpoints: one clear line, and never a traceback."""

from pathlib import Path

import pytest
import torch

from tests.checkpoint.test_load import model
from timesformer import Predictor
from timesformer.checkpoint import resume_check
from timesformer.checkpoint.convert import WRITERS, Source
from timesformer.checkpoint.files import Checkpoint, read_checkpoint
from timesformer.checkpoint.inspect import as_text, summarize
from timesformer.checkpoint.model_spec import read_model_spec
from timesformer.checkpoint.resume import load_train_state
from timesformer.config import load_config
from timesformer.errors import InputError

CFG = """\
DATA: {NUM_FRAMES: 4, SAMPLING_RATE: 5, TRAIN_CROP_SIZE: 16, TEST_CROP_SIZE: 16,
  TRAIN_JITTER_SCALES: [20, 24]}
MODEL: {NUM_CLASSES: 5}
TIMESFORMER: {PATCH_SIZE: 4, EMBED_DIM: 16, DEPTH: 2, NUM_HEADS: 2}
"""
STATE = {f"model.{name}": value for name, value in model(seed=1).state_dict().items()}


def good():
    net = model(seed=1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    return {
        "epoch": 3,
        "model_state": dict(STATE),
        "optimizer_state": optimizer.state_dict(),
        "cfg": CFG,
    }


def with_weight(name, value):
    return {"model_state": {**STATE, f"model.{name}": value}}


ENTRIES = {
    "epoch is text": {"epoch": "seven"},
    "epoch is a tensor": {"epoch": torch.ones(3)},
    "epoch is huge": {"epoch": 10**30},
    "position is negative": {"position": {"epoch": 0, "batch": -5}},
    "position is a list": {"position": [1, 2]},
    "data is text": {"data": "x"},
    "data lacks its hash": {"data": {"train": {}}},
    "model_state is text": {"model_state": "weights"},
    "model_state is a list": {"model_state": [1]},
    "model_state is empty": {"model_state": {}},
    "ema_state is text": {"ema_state": "x"},
    "optimizer_state is none": {"optimizer_state": None},
    "optimizer_state lacks groups": {"optimizer_state": {"state": {}}},
    "an optimizer group of nothing": {"optimizer_state": {"state": {}, "param_groups": [{}]}},
    "no optimizer groups": {"optimizer_state": {"state": {}, "param_groups": []}},
    "optimizer tensors of odd shape": {
        "optimizer_state": {"state": {0: {"momentum_buffer": torch.ones(7, 3)}},
                            "param_groups": [{"params": list(range(len(STATE)))}]}
    },
    "optimizer parameters of odd names": {
        "optimizer_state": {"state": {}, "param_groups": [{"params": [[1]], "lr": "x"}]}
    },
    "cfg is a dictionary": {"cfg": {"A": 1}},
    "cfg is a list": {"cfg": "[1, 2]"},
    "cfg is not YAML": {"cfg": "A: [\n"},
    "cfg has an unknown section": {"cfg": CFG + "DATAX: {A: 1}\n"},
    "cfg has text for heads": {"cfg": CFG.replace("NUM_HEADS: 2", "NUM_HEADS: two")},
    "cfg has lists for sizes": {"cfg": CFG.replace("EMBED_DIM: 16", "EMBED_DIM: [16]")},
    "cfg has other sizes": {"cfg": CFG.replace("EMBED_DIM: 16", "EMBED_DIM: 32")},
    "cfg has zero heads": {"cfg": CFG.replace("NUM_HEADS: 2", "NUM_HEADS: 0")},
    "cfg has huge sizes": {"cfg": CFG.replace("DEPTH: 2", f"DEPTH: {10**12}")},
    "class names are numbers": {"class_names": [1, 2, 3, 4, 5]},
    "class names are too few": {"class_names": ["a"]},
    "class names are a dictionary": {"class_names": {"a": 1}},
    "preprocessing is text": {"preprocessing": "x"},
    "preprocessing of lists": {"preprocessing": {"sampling": [1], "mean": "x"}, "cfg": ""},
    "a weight of no dimension": with_weight("head.weight", torch.tensor(1.0)),
    "a token of no dimension": with_weight("cls_token", torch.tensor(1.0)),
    "patches of no dimension": with_weight("patch_embed.proj.weight", torch.tensor(1.0)),
    "positions of no dimension": with_weight("pos_embed", torch.tensor(1.0)),
    "times of no dimension": with_weight("time_embed", torch.tensor(1.0)),
    "an mlp of no dimension": with_weight("blocks.0.mlp.fc1.weight", torch.tensor(1.0)),
    "empty patches": with_weight("patch_embed.proj.weight", torch.ones(0, 3, 4, 4)),
    "patches of size zero": with_weight("patch_embed.proj.weight", torch.ones(16, 3, 0, 0)),
    "no positions": with_weight("pos_embed", torch.ones(1, 0, 16)),
    "a sparse weight": with_weight("head.weight", torch.eye(5, 16).to_sparse()),
    "a quantized weight": with_weight(
        "head.weight", torch.quantize_per_tensor(torch.ones(5, 16), 0.1, 0, torch.qint8)
    ),
    "a meta weight": with_weight("head.weight", torch.ones(5, 16, device="meta")),
    "a complex weight": with_weight("head.weight", torch.ones(5, 16, dtype=torch.complex64)),
    "a whole number": with_weight("head.weight", torch.ones(5, 16, dtype=torch.int64)),
    "a weight that is text": with_weight("head.weight", "text"),
    "a weight that is a list": with_weight("head.weight", [1.0]),
    "a weight of nan": with_weight("head.weight", torch.full((5, 16), torch.nan)),
    "a block of an odd number": with_weight("blocks.x.attn.qkv.weight", torch.ones(48, 16)),
    "a name of control characters": with_weight("\x1b[31m\n", torch.ones(1)),
    "an empty name": with_weight("", torch.ones(1)),
    "an expanded weight": with_weight("head.weight", torch.ones(1, 1).expand(100_000, 100_000)),
}  # fmt: skip
WHOLE = {
    "a number": 3,
    "text": "x",
    "nothing": None,
    "a tensor": torch.ones(3),
    "an empty dictionary": {},
    "an empty list": [],
    "keys of numbers": {1: torch.ones(1), 2: {3: 4}},
    "only one tensor": {"a": torch.tensor(1.0)},
    "only sparse tensors": {"a": torch.eye(2).to_sparse()},
}


def inspect(path, _):
    as_text(summarize(path))


def predict(path, _):
    Predictor.from_checkpoint(path, "cpu").predict(
        torch.zeros(8, 16, 16, 3, dtype=torch.uint8).numpy()
    )


def convert(path, folder):
    source = Source.of(read_model_spec(path))
    for to in ("published", "safetensors"):
        WRITERS[to](source, folder / to, torch.float32)


def resume(path, folder):
    (folder / "c.yaml").write_text(CFG + "NUM_GPUS: 0\n")
    cfg = load_config(folder / "c.yaml")
    data = {"train": {"sha256": "0", "list": "a", "videos": 1}}
    found = Checkpoint(path, read_checkpoint(path, entries_only=True))
    resume_check.check_compatible(found, cfg.dump(), {"data": data})
    net = model(seed=2)
    load_train_state(
        Checkpoint.read(path), net, torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    )


@pytest.mark.parametrize("case", [*ENTRIES, *WHOLE])
@pytest.mark.filterwarnings("ignore")
def test_malformed_content_is_one_line_or_is_set_aside(tmp_path, case):
    content = good() | ENTRIES[case] if case in ENTRIES else WHOLE[case]
    torch.save(content, tmp_path / "file.pyth")
    for read in (inspect, predict, convert, resume):
        try:
            read(tmp_path / "file.pyth", tmp_path)
        except InputError as error:
            assert_one_line(str(error), tmp_path / "file.pyth")


def assert_one_line(text: str, path: Path):
    if "run with different settings" in text:  # names a difference a line
        text = " ".join(text.split())
    assert len(text.splitlines()) == 1, text
    assert str(path) in text
    assert text.isprintable()
    assert len(text) < 900


@pytest.mark.parametrize("read", [inspect, predict, convert, resume])
def test_the_checkpoint_that_is_not_malformed_is_read(tmp_path, read):
    torch.save(good(), tmp_path / "file.pyth")
    read(tmp_path / "file.pyth", tmp_path)
