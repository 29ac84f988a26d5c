"""The entries of a checkpoint are what they must be, or are named."""

import pytest
import torch

from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.payload import KNOWN_ENTRIES, check_entries, wrong_entries

GOOD = {
    "epoch": -1,
    "model_state": {"a": torch.ones(1)},
    "optimizer_state": {"state": {}, "param_groups": [{"params": [0]}]},
    "cfg": "A: 1",
    "class_names": ["a"],
    "position": {"epoch": 0, "batch": 3},
    "data": {"train": {"list": "a.csv", "sha256": "0", "videos": 3}},
    "best": {"badness": 1.0, "epoch": None, "stale": 0, "seen": {}},
    "guard": {"in_a_row": 0, "went_back": False},
    "another program's": object(),
}


def test_a_checkpoint_of_a_run_has_no_problems():
    check_entries(GOOD, "file")
    assert GOOD.keys() - KNOWN_ENTRIES == {"another program's"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("epoch", "seven", r"epoch is 'seven' \(str\), not a whole number"),
        ("epoch", True, "epoch is True"),
        ("epoch", -2, "epoch is -2"),
        ("epoch", torch.tensor(3), "epoch is a Tensor"),
        ("epoch", 1.5, "epoch is 1.5"),
        ("model_state", "text", "model_state is 'text'"),
        ("model_state", {"a": 1}, "model_state is a dict, not names with dense tensors"),
        ("model_state", {3: torch.ones(1)}, "model_state is a dict"),
        ("ema_state", [], "ema_state is a list"),
        ("optimizer_state", None, r"optimizer_state is None .*not the state of an optimizer"),
        ("optimizer_state", {"state": {}, "param_groups": {}}, "optimizer_state is a dict"),
        ("optimizer_state", {"state": {0: 1}, "param_groups": []}, "optimizer_state is a dict"),
        ("optimizer_state", {"state": {}, "param_groups": [{}]}, "optimizer_state is a dict"),
        ("cfg", {"A": 1}, "cfg is a dict, not text"),
        ("position", {"batch": -5, "epoch": 0}, "position is a dict, not an epoch and a batch"),
        ("position", {"epoch": 0}, "position is a dict"),
        ("position", {"epoch": 0, "batch": 0, "x": 1}, "position is a dict"),
        ("data", "x", "data is 'x'"),
        ("data", {"train": {"sha256": 3}}, "data is a dict, not a fingerprint"),
        ("class_names", [1], "class_names is a list, not a list of names"),
        ("preprocessing", {"sampling": {}}, "preprocessing is a dict"),
        ("best", {}, "best is a dict"),
        ("guard", 3, "guard is 3"),
        ("sampling", [], "sampling is a list"),
        ("written", {"a": "b"}, "written is a dict"),
        ("cfg", 7, "cfg is 7"),
        ("command", ["\x1b[31m"], "command is a list"),
    ],
)
def test_what_is_not_is_named_with_the_file(key, value, message):
    assert set(wrong_entries(GOOD | {key: value})) == {key}
    with pytest.raises(CheckpointError, match=rf"file is not a checkpoint .*entry {message}"):
        check_entries(GOOD | {key: value}, "file")
