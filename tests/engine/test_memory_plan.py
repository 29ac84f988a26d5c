"""The share of a batch that fits."""

import pytest

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
