import pytest

from timesformer.config import ConfigError, load_config


@pytest.mark.parametrize(
    ("key", "value"),
    [("COMPILE", True), ("EMA_DECAY", 0.5), ("FREEZE", "('backbone',)"), ("PRECISION", "fp16")],
)
def test_what_fsdp_does_not_support_is_refused_with_the_remedy(tiny_yaml, key, value):
    options = ["DIST.STRATEGY", "fsdp", "NUM_GPUS", "1", f"TRAIN.{key}", str(value)]
    with pytest.raises(ConfigError, match=rf"TRAIN.{key} is .*, but DIST.STRATEGY fsdp does not"):
        load_config(tiny_yaml, options)
    load_config(tiny_yaml, ["NUM_GPUS", "1", *options[4:]])
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


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["SOLVER.LAYER_DECAY", 0], "LAYER_DECAY is 0.0, but must be above 0 and at most 1"),
        (["SOLVER.LAYER_DECAY", 1.1], "LAYER_DECAY is 1.1, but must be above 0 and at most 1"),
        (["SOLVER.HEAD_LR_RATIO", -1], "HEAD_LR_RATIO is -1.0, but must be at least 0"),
        (
            ["SOLVER.LABEL_SMOOTHING", 1],
            r"LABEL_SMOOTHING is 1.0, but must be at least 0 and below 1",
        ),
        (
            ["SOLVER.LABEL_SMOOTHING", 0.1, "MODEL.LOSS_FUNC", "bce_logit"],
            "LABEL_SMOOTHING is 0.1, but MODEL.LOSS_FUNC is bce_logit; it needs cross_entropy",
        ),
        (["TRAIN.FINETUNE", 1], "FINETUNE is True, but TRAIN.CHECKPOINT_FILE_PATH names no file"),
    ],
)
def test_what_fine_tuning_cannot_use(tiny_yaml, overrides, message):
    with pytest.raises(ConfigError, match=message):
        load_config(tiny_yaml, [str(item) for item in overrides])
