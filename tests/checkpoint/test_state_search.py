"""The weights of files of other trainers: every layout gives the same weights."""

import argparse
import datetime
import enum
import pathlib
import pickle
from collections import Counter, OrderedDict, defaultdict

import numpy as np
import pytest
import torch
from torch import nn

from tests.checkpoint.test_load import model, same_weights
from timesformer.checkpoint.load import CheckpointError, load_weights, read_file
from timesformer.checkpoint.payload import unknown_classes
from timesformer.checkpoint.state_search import WRAPPERS, find_state, strip_prefixes


class Phase(enum.Enum):
    TRAIN = "train"


class Logger:
    """Of a package that the reader has not."""

    def __init__(self):
        self.history = np.arange(3.0)
        self.__dict__["next"] = [Phase.TRAIN]


class Settings(dict):
    """As EasyDict and CfgNode: a mapping that is more than one."""

    def __setattr__(self, name, value):
        self[name] = value


def prefixed(state, prefix):
    return {f"{prefix}{name}": value for name, value in state.items()}


def wrapped(state, places):
    """Names with wrappers at some of their parts: ``blocks.0._orig_mod.attn.qkv.weight``."""
    found = {}
    for name, value in state.items():
        parts = name.split(".")
        for at, wrapper in places:
            if at < len(parts):
                parts.insert(at, wrapper)
        found[".".join(parts)] = value
    return found


def optimizer(state):
    parameters = [nn.Parameter(value) for value in state.values()]
    made = torch.optim.AdamW(parameters)
    sum(p.sum() for p in parameters).backward()
    made.step()
    return made.state_dict()


LIGHTNING = {
    "epoch": 3,
    "global_step": 9,
    "pytorch-lightning_version": "2.4",
    "loops": {"fit_loop": {}},
}
LAYOUTS = {
    "net": lambda s: {"net": s, "acc": 0.5},
    "deep": lambda s: {"a": {"b": [{"c": {"weights": s}}]}},
    "a list": lambda s: [1, "text", s],
    "lightning": lambda s: {
        **LIGHTNING,
        "state_dict": {**prefixed(s, "model."), "criterion.weight": torch.ones(5)},
        "hyper_parameters": Settings(lr=0.1, phase=Phase.TRAIN),
        "callbacks": {"ModelCheckpoint{'monitor': 'acc'}": {"best": pathlib.Path("/a/b.ckpt")}},
        "optimizer_states": [optimizer(s)],
    },
    "lightning with metrics": lambda s: {
        "state_dict": {**prefixed(s, "net.backbone."), "train_acc.tp": torch.zeros(5)}
    },
    "lightning, teacher beside": lambda s: {
        "state_dict": {**prefixed(negative(s), "student."), **prefixed(s, "teacher.")}
    },
    "lightning, average beside": lambda s: {
        "state_dict": {**prefixed(negative(s), "model."), **prefixed(s, "ema_model.module.")}
    },
    "fabric": lambda s: {"model": prefixed(s, "_forward_module."), "optimizer": optimizer(s), "step": 3},
    "deepspeed": lambda s: {
        "module": prefixed(s, "module."), "ds_config": {"zero": 1}, "ds_version": "0.14",
        "optimizer": {"fp32_flat_groups": [torch.zeros(10)]}, "args": argparse.Namespace(lr=1),
    },
    "mmengine": lambda s: {
        "meta": {"epoch": 3, "cfg": "model = dict(type='A')", "time": datetime.datetime(2024, 1, 2)},
        "state_dict": prefixed(s, "backbone."),
        "message_hub": {"log_scalars": {"loss": Logger()}, "runtime_info": {"iter": np.int64(7)}},
        "optimizer": optimizer(s),
    },
    "timm": lambda s: {
        "arch": "vit", "args": argparse.Namespace(lr=0.1, path=pathlib.PosixPath("a")), "epoch": 3,
        "state_dict": negative(s), "state_dict_ema": s, "metric": np.float64(0.5),
    },
    "an averaged model": lambda s: {
        "model": negative(s), "ema": {"decay": 0.99, "model": prefixed(s, "module.")}
    },
    "torch's averaged model": lambda s: {**prefixed(s, "module."), "n_averaged": torch.tensor(7)},
    "optimizer by names": lambda s: {
        "optimizer": {"exp_avg": negative(s)}, "weights": s, "momentum_buffer": negative(s)
    },
    "backbone and head": lambda s: {
        "backbone": {k: v for k, v in s.items() if "head" not in k},
        "head": {k.removeprefix("head."): v for k, v in s.items() if "head" in k},
    },
    "numpy arrays": lambda s: {"model": {k: v.numpy() for k, v in s.items()}},
    "parameters": lambda s: {"model": {k: nn.Parameter(v) for k, v in s.items()}},
    "in an unknown mapping": lambda s: Settings(model=Settings(**s)),
    "in a namespace": lambda s: argparse.Namespace(model=s, epoch=3),
    "as others write data": lambda s: {
        "model": defaultdict(dict, s), "counts": Counter("aab"), "seen": {1, 2}, "frozen": frozenset([3]),
        "z": 1 + 2j, "cut": slice(1, 2), "when": datetime.timedelta(days=1), "dtype": torch.float16,
        "device": torch.device("cuda", 1), "size": torch.Size([1, 2]), "raw": b"\0", "none": None,
        "array": np.array(["a", "b"]), "objects": np.array([Phase.TRAIN], dtype=object),
        "layout": torch.strided, "numbers": np.zeros(2, [("a", "f4")]),
        "path": pathlib.PureWindowsPath("c"),
    },
}  # fmt: skip


def negative(state):
    return {name: -value for name, value in state.items()}


def save(content, path, writer):
    if writer == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=writer == "zip")


@pytest.mark.parametrize("writer", ["zip", "legacy", "pickle"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_weights(tmp_path, layout, writer):
    source, target = model(seed=1), model(seed=2)
    content = LAYOUTS[layout](dict(source.state_dict()))
    save(content, tmp_path / "file.ckpt", writer)
    report = load_weights(target, tmp_path / "file.ckpt")
    assert sorted(report.loaded) == sorted(source.state_dict())
    assert same_weights(source, target)


@pytest.mark.parametrize("writer", ["zip", "legacy"])
def test_a_model_that_was_pickled_whole_gives_its_weights(tmp_path, writer):
    source, target = model(seed=1), model(seed=2)
    save({"epoch": 1, "net": nn.DataParallel(source)}, tmp_path / "file", writer)
    report = load_weights(target, tmp_path / "file")
    assert same_weights(source, target)
    assert "set aside, and not run: " in str(report)


@pytest.mark.parametrize("wrapper", sorted(WRAPPERS))
@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_names_of_wrappers_are_dropped_wherever_they_stand(wrapper, at):
    state = dict(model().state_dict())
    twice = wrapped(wrapped(state, [(at, wrapper)]), [(0, "module"), (2, "_orig_mod")])
    assert list(find_state({"weights": prefixed(twice, "model.")})) == list(state)


def test_a_part_that_is_called_like_a_wrapper_stays_if_names_would_be_lost():
    state = {"module.a": torch.zeros(1), "a": torch.ones(1)}
    assert strip_prefixes(state) == state


def test_the_report_names_what_was_taken_and_what_was_set_aside(tmp_path):
    state = dict(model().state_dict())
    content = {
        "model": negative(state), "ema": {"shadow": state}, "log": [Logger(), Logger()],
        "args": argparse.Namespace(lr=1), "step": np.int64(3), "a\x1b[31m": 1,
    }  # fmt: skip
    save(content, tmp_path / "file", "zip")
    said = str(load_weights(model(seed=2), tmp_path / "file"))
    assert (
        "of several weights in the file those under ema.shadow were taken, not those under model"
        in said
    )
    assert (
        "tests.checkpoint.test_state_search.Logger x 2, tests.checkpoint.test_state_search.Phase x 1"
        in said
    )
    assert "args (argparse.Namespace), step (numpy.int64)" in said
    assert r"a\x1b[31m (int)" in said


def test_a_small_average_is_not_taken_for_the_model(tmp_path):
    source, target = model(seed=1), model(seed=2)
    few = {name: -value for name, value in source.state_dict().items() if "blocks" not in name}
    save({"model": source.state_dict(), "ema": few}, tmp_path / "file", "zip")
    load_weights(target, tmp_path / "file")
    assert same_weights(source, target)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda t: t.to_sparse(), "sparse"),
        (lambda t: t.to_sparse_csr(), "sparse"),
        (lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8), "quantized"),
        (lambda t: t.to("meta"), r"meta \(without values\)"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_tensors_without_dense_values_are_named(tmp_path, make, kind):
    state = dict(model().state_dict())
    state["head.weight"] = make(state["head.weight"])
    save({"net": state}, tmp_path / "file", "zip")
    with pytest.raises(
        CheckpointError, match=rf"1 of its tensors are not dense.*head\.weight \({kind}\)"
    ):
        load_weights(model(seed=2), tmp_path / "file")


def test_flattened_parameters_are_named(tmp_path):
    save({"_fsdp_wrapped_module._flat_param": torch.zeros(9)}, tmp_path / "file", "zip")
    with pytest.raises(CheckpointError, match=r"flattened by FSDP \(flat_param\); save the full"):
        load_weights(model(), tmp_path / "file")


def test_containers_that_hold_themselves_end():
    state = dict(model().state_dict())
    payload = {"a": [], "net": state}
    payload["a"].append(payload)
    assert len(find_state(payload)) == len(state)
    assert unknown_classes(payload) == Counter()


def test_data_of_other_packages_are_plain_values(tmp_path):
    content = LAYOUTS["as others write data"](OrderedDict(a=torch.ones(2)))
    save(content, tmp_path / "file", "zip")
    found = read_file(tmp_path / "file")
    for name in (
        "counts",
        "seen",
        "frozen",
        "z",
        "cut",
        "when",
        "dtype",
        "device",
        "size",
        "raw",
        "path",
    ):
        assert found[name] == content[name], name
    assert found["array"].tolist() == ["a", "b"]
    assert type(found["model"]) is dict
