"""How processes share a batch."""

import pytest

from timesformer.config import ConfigError, load_config
from timesformer.config.batch_sizes import local_processes
from timesformer.engine.optim import lr_at_epoch


@pytest.fixture
def config(tiny_yaml):
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in overrides])


def test_processes_are_gpus_or_as_many_as_asked(config):
    assert local_processes(config()) == 1
    assert local_processes(config("DIST.CPU_PROCESSES", 4)) == 4
    assert local_processes(config("DIST.CPU_PROCESSES", 4, "NUM_GPUS", 2)) == 2


@pytest.mark.parametrize("key", ["NUM_GPUS", "DIST.CPU_PROCESSES"])
def test_processes_must_divide_the_batch(config, key):
    message = rf"TRAIN.BATCH_SIZE is 4, but {key} \(3\) must divide it; use 3, or another {key}"
    with pytest.raises(ConfigError, match=message):
        config(key, 3)
    config(key, 3, "TRAIN.ENABLE", 0)


def test_a_batch_size_of_zero_is_the_share_of_a_machine(config, monkeypatch):
    options = ["TRAIN.BATCH_SIZE", 0, "GLOBAL_BATCH_SIZE", 24]
    assert config(*options, "NUM_GPUS", 4).TRAIN.BATCH_SIZE == 24
    assert config(*options, "NUM_GPUS", 4, "NUM_SHARDS", 3).TRAIN.BATCH_SIZE == 8
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert config(*options).TRAIN.BATCH_SIZE == 12
    with pytest.raises(ConfigError, match=r"SIZE is 20, but 8 processes must divide it.*16 or 24"):
        config("TRAIN.BATCH_SIZE", 0, "GLOBAL_BATCH_SIZE", 20)
    with pytest.raises(ConfigError, match=r"SIZE is 5, but 8 processes must divide it.*; use 8$"):
        config("TRAIN.BATCH_SIZE", 0, "GLOBAL_BATCH_SIZE", 5)


def test_learning_rates_scale_with_the_batch_on_request(config):
    warm = ["SOLVER.WARMUP_EPOCHS", 1, "SOLVER.MAX_EPOCH", 4]
    plain, scaled = config(*warm), config(*warm, "SOLVER.LR_REFERENCE_BATCH", 2)
    for epoch in (0, 0.5, 1, 3):
        assert lr_at_epoch(scaled, epoch) == pytest.approx(4 * lr_at_epoch(plain, epoch))
