"""Sharded training is the same training, and its checkpoints are ordinary ones."""

import shutil

import pytest
import torch

from tests.conftest import needs_sharding
from timesformer.config import load_config
from timesformer.engine import run
from timesformer.engine.fsdp import is_sharded, whole_parameters
from timesformer.runtime import collectives


@needs_sharding
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_two_sharding_processes_go_on_from_the_checkpoint_of_one_and_end_like_it(
    tiny_yaml, tmp_path, two_processes, optimizer
):
    """Both ways: whole weights and optimizer state into parts, and the parts into a checkpoint.

    Seven videos to validate: one process has a batch more than the other.
    """
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    options = ["TEST.ENABLE", "False", "SOLVER.CLIP_GRAD_NORM", "0.5"]
    options += ["SOLVER.OPTIMIZING_METHOD", optimizer, "OUTPUT_DIR"]
    run.run(load_config(tiny_yaml, [*options, str(alone)]))
    name = "checkpoints/checkpoint_epoch_00001.pyth"
    (shared / name).parent.mkdir(parents=True)
    for path in (alone / "checkpoints").glob("checkpoint_epoch_00001*"):
        shutil.copy(path, shared / "checkpoints")
    sharded = [
        "DIST.STRATEGY",
        "fsdp",
        "SOLVER.CLIP_GRAD_NORM",
        "1e6",
        "DIST.CPU_PROCESSES",
        "2",
        *options,
        str(shared),
    ]
    two_processes.run(load_config(tiny_yaml, sharded))
    assert "resum" in (shared / "stdout.log").read_text()
    last = "checkpoints/checkpoint_epoch_00002.pyth"
    a, b = (torch.load(folder / last, weights_only=True) for folder in (alone, shared))
    assert a["model_state"].keys() == b["model_state"].keys()
    for key, value in a["model_state"].items():
        assert torch.allclose(value, b["model_state"][key], atol=1e-4), key
    states = [saved["optimizer_state"] for saved in (a, b)]
    for group in [*states[0]["param_groups"], *states[1]["param_groups"]]:
        del group["fused"]  # SGD of parts is not
    assert states[0]["param_groups"] == states[1]["param_groups"]
    assert states[0]["state"].keys() == states[1]["state"].keys()
    for i, state in states[0]["state"].items():
        for key, value in state.items():
            assert torch.allclose(value, states[1]["state"][i][key], atol=1e-4), (i, key)


def test_what_is_not_sharded_stays_what_it_is():
    model = torch.nn.Linear(2, 2)
    assert not is_sharded(model)
    with whole_parameters(model):
        pass
    state = {"a": [model.weight, (1, "x")], "b": {2: None}}
    found = collectives.full_state_dict(state)
    assert found["a"][0] is model.weight
    assert found == state
