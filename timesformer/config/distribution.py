"""What DIST may not say."""

from collections.abc import Iterator

from fvcore.common.config import CfgNode


def sharding_problems(cfg: CfgNode) -> Iterator[str]:
    """What does not go together with parameters that are spread over processes."""
    if not cfg.TRAIN.ENABLE:
        return
    if cfg.DIST.STRATEGY != "fsdp":
        if cfg.DIST.SHARDED_CHECKPOINTS:
            yield (
                f"DIST.SHARDED_CHECKPOINTS is True, but DIST.STRATEGY {cfg.DIST.STRATEGY} shards "
                "nothing; set it False, or DIST.STRATEGY fsdp"
            )
        return
    for key, refused, remedy in (
        ("TRAIN.COMPILE", cfg.TRAIN.COMPILE, "False"),
        ("TRAIN.EMA_DECAY", cfg.TRAIN.EMA_DECAY > 0, "0"),
        ("TRAIN.FREEZE", bool(cfg.TRAIN.FREEZE), "()"),
        ("TRAIN.PRECISION", cfg.TRAIN.PRECISION == "fp16", "bf16"),
    ):
        if refused:
            section, name = key.split(".")
            yield (
                f"{key} is {cfg[section][name]}, but DIST.STRATEGY fsdp does not support it; set "
                f"{key} {remedy}, or DIST.STRATEGY ddp"
            )
