"""The share of a batch that fits, and the tool that prints it."""

import runpy
import sys

import pytest

from tests.conftest import ROOT
from timesformer.config import load_config
from timesformer.engine import memory_estimate
from timesformer.engine.memory_estimate import GIB, StepMemory, build_plans


@pytest.fixture
def measured(monkeypatch):
    """8 GiB of states; a clip takes 2 GiB, 0.5 with recomputation; 1 GiB around it on a GPU."""

    def step_memory(step, *, checkpoint):
        return StepMemory(8 * GIB, 0, GIB // 2 if checkpoint else 2 * GIB, 0)

    monkeypatch.setattr(memory_estimate, "step_memory", step_memory)
    monkeypatch.setattr(memory_estimate, "MARGIN", 1.0)


def plans_of(tiny_yaml, world, memory):
    cfg = load_config(tiny_yaml, ["GLOBAL_BATCH_SIZE", "48", "NUM_GPUS", "1"])
    return list(build_plans(cfg, world=world, memory_gib=memory))


def test_the_largest_divisor_of_the_share_that_fits_is_taken(tiny_yaml, measured):
    """12 clips a GPU: of 1, 2, 3, 4, 6 and 12, seven GiB beside 9 hold three clips of 2 GiB."""
    ddp, recomputed, fsdp, both = plans_of(tiny_yaml, 4, 16)
    assert ddp[:4] == ("ddp", 0.0, 3, 4)
    assert ddp.gib == 15
    assert recomputed[:4] == ("ddp", 1.0, 12, 1)
    assert fsdp[:4] == ("fsdp", 0.0, 6, 2)  # 13 beside 3: six clips
    assert both[:4] == ("fsdp", 1.0, 12, 1)
    assert ddp.keys(4) == (
        "NUM_GPUS 4 TRAIN.BATCH_SIZE 12 TRAIN.ACTIVATION_CHECKPOINT 0 DIST.STRATEGY ddp"
    )


def test_a_row_that_does_not_fit_shows_the_memory_of_one_clip(tiny_yaml, measured):
    (plain, recomputed) = plans_of(tiny_yaml, 1, 10)
    assert (plain.fits, plain.clips, plain.gib) == (False, 1, 11)
    assert (recomputed.fits, recomputed.clips) == (True, 2)


def call(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["plan.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "tools/plan.py"), run_name="__main__")
    captured = capsys.readouterr()
    return end.value.code, captured.out, captured.err


def test_the_tool_prints_the_plan_and_the_keys(tiny_yaml, measured, monkeypatch, capsys):
    batch = ["GLOBAL_BATCH_SIZE", 12, "SOLVER.LR_REFERENCE_BATCH", 6]
    code, out, _ = call(
        monkeypatch, capsys, "--cfg", tiny_yaml, "--gpus", 2, "--memory", 14, *batch
    )
    assert code == 0
    assert "clips a step       12, 6 of each GPU" in out
    assert "steps an epoch     2 (24 videos)" in out
    assert "learning rate      0.006 (0.003 times 2)" in out
    assert "pass NUM_GPUS 2 TRAIN.BATCH_SIZE 4 TRAIN.ACTIVATION_CHECKPOINT 0" in out
    keys = out.strip().splitlines()[-1].removeprefix("pass ").split()
    assert load_config(tiny_yaml, keys).GLOBAL_BATCH_SIZE == 12
    code, out, _ = call(monkeypatch, capsys, "--cfg", tiny_yaml, "--memory", 8, *batch)
    assert (code, "nothing fits into 8 GiB" in out) == (1, True)
    code, _, error = call(monkeypatch, capsys, "--cfg", tiny_yaml, "--gpus", 5, *batch)
    assert code == 2
    assert "GLOBAL_BATCH_SIZE is 12, but 5 processes must divide it" in error
    assert call(monkeypatch, capsys, "--cfg", tiny_yaml, "--gpus", 0)[0] == 2
