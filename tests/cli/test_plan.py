"""The plan of a run as a user asks for it."""

import pytest

from timesformer.config import load_config
from timesformer.engine import memory_estimate
from timesformer.engine.memory_estimate import GIB, StepMemory


@pytest.fixture
def measured(monkeypatch):
    """8 GiB of states; a clip takes 2 GiB, 0.5 with recomputation; 1 GiB around it on a GPU."""

    def step_memory(step, *, checkpoint):
        return StepMemory(8 * GIB, 0, GIB // 2 if checkpoint else 2 * GIB, 0)

    monkeypatch.setattr(memory_estimate, "step_memory", step_memory)
    monkeypatch.setattr(memory_estimate, "MARGIN", 1.0)


def test_the_plan_and_its_keys_are_printed(tiny_yaml, measured, run_here):
    batch = ["GLOBAL_BATCH_SIZE", 12, "SOLVER.LR_REFERENCE_BATCH", 6]
    code, out, _ = run_here("plan", "--cfg", tiny_yaml, "--gpus", 2, "--memory", 14, *batch)
    assert code == 0
    assert "clips a step       12, 6 of each GPU" in out
    assert "steps an epoch     2 (24 videos)" in out
    assert "learning rate      0.006 (0.003 times 2)" in out
    assert "pass NUM_GPUS 2 TRAIN.BATCH_SIZE 4 TRAIN.ACTIVATION_CHECKPOINT 0" in out
    keys = out.strip().splitlines()[-1].removeprefix("pass ").split()
    assert load_config(tiny_yaml, keys).GLOBAL_BATCH_SIZE == 12
    code, out, _ = run_here("plan", "--cfg", tiny_yaml, "--memory", 8, *batch)
    assert (code, "nothing fits into 8 GiB" in out) == (1, True)
    code, _, error = run_here("plan", "--cfg", tiny_yaml, "--gpus", 5, *batch)
    assert code == 2
    assert "GLOBAL_BATCH_SIZE is 12, but 5 processes must divide it" in error
    assert run_here("plan", "--cfg", tiny_yaml, "--gpus", 0)[0] == 2
