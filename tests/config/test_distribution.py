"""What does not go together with sharded parameters."""

import pytest

from timesformer.config import ConfigError, load_config
from timesformer.config.distribution import sharding_problems


@pytest.mark.parametrize(
    ("key", "value"),
    [("COMPILE", True), ("EMA_DECAY", 0.5), ("FREEZE", "('backbone',)"), ("PRECISION", "fp16")],
)
def test_what_fsdp_does_not_support_is_refused_with_the_remedy(tiny_yaml, key, value):
    options = ["DIST.STRATEGY", "fsdp", "NUM_GPUS", "1", f"TRAIN.{key}", str(value)]
    with pytest.raises(ConfigError, match=rf"TRAIN.{key} is .*, but DIST.STRATEGY fsdp does not"):
        load_config(tiny_yaml, options)
    assert not list(sharding_problems(load_config(tiny_yaml, ["NUM_GPUS", "1", *options[4:]])))
    load_config(tiny_yaml, [*options, "TRAIN.ENABLE", "False"])


def test_an_unknown_strategy_is_named(tiny_yaml):
    with pytest.raises(ConfigError, match="DIST.STRATEGY is 'zero'; choose one of ddp, fsdp"):
        load_config(tiny_yaml, ["DIST.STRATEGY", "zero"])


def test_parts_of_what_is_not_sharded_are_refused(tiny_yaml):
    options = ["DIST.SHARDED_CHECKPOINTS", "True"]
    with pytest.raises(
        ConfigError, match=r"DIST.STRATEGY ddp shards nothing; set it False, or DIST"
    ):
        load_config(tiny_yaml, options)
    load_config(tiny_yaml, [*options, "DIST.STRATEGY", "fsdp"])
