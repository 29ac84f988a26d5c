"""How processes share a batch."""

import pytest

from timesformer.batch_sizes import local_processes
from timesformer.config import ConfigError, load_config


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
