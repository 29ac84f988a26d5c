"""Rules between keys: about processes and batches, the optimizer, fine-tuning and sharding."""

from collections.abc import Iterator

from yacs.config import CfgNode

from timesformer.config.batch_sizes import batch_problems


def training_problems(cfg: CfgNode) -> Iterator[str]:
    """What is wrong with TRAIN, TEST, SOLVER and DIST together."""
    if cfg.SHARD_ID >= cfg.NUM_SHARDS:
        yield f"SHARD_ID is {cfg.SHARD_ID}, but must be below NUM_SHARDS ({cfg.NUM_SHARDS})"
    yield from batch_problems(cfg)
    yield from _precision_problems(cfg)
    if cfg.TRAIN.ENABLE:
        yield from _sharding_problems(cfg)
    yield from _solver_problems(cfg)
    yield from _finetuning_problems(cfg)


def _precision_problems(cfg: CfgNode) -> Iterator[str]:
    for section in ("TRAIN", "TEST"):
        name = cfg[section].PRECISION
        if cfg[section].ENABLE and cfg.NUM_GPUS == 0 and name in ("tf32", "fp16"):
            remedy = "bf16" if name == "fp16" else "fp32"
            yield f"{section}.PRECISION {name} needs a GPU, and NUM_GPUS is 0; use {remedy} on a CPU"


def _sharding_problems(cfg: CfgNode) -> Iterator[str]:
    train = cfg.TRAIN
    if cfg.DIST.STRATEGY != "fsdp":
        if cfg.DIST.SHARDED_CHECKPOINTS:
            yield (
                f"DIST.SHARDED_CHECKPOINTS is True, but DIST.STRATEGY {cfg.DIST.STRATEGY} shards "
                "nothing; set it False, or DIST.STRATEGY fsdp"
            )
        return
    for name, refused, remedy in (
        ("COMPILE", train.COMPILE, "False"),
        ("EMA_DECAY", train.EMA_DECAY > 0, "0"),
        ("FREEZE", bool(train.FREEZE), "()"),
        ("PRECISION", train.PRECISION == "fp16", "bf16"),
    ):
        if refused:
            yield (
                f"TRAIN.{name} is {train[name]}, but DIST.STRATEGY fsdp does not support it; set "
                f"TRAIN.{name} {remedy}, or DIST.STRATEGY ddp"
            )


def _solver_problems(cfg: CfgNode) -> Iterator[str]:
    solver = cfg.SOLVER
    if solver.LR_POLICY == "steps_with_relative_lrs":
        if not solver.STEPS or solver.STEPS[0] != 0 or sorted(solver.STEPS) != solver.STEPS:
            yield f"SOLVER.STEPS is {solver.STEPS}, but must be epochs in order, the first one 0"
        if any(lr < 0 for lr in solver.LRS):
            yield f"SOLVER.LRS is {solver.LRS}, but no value may be negative"
        if len(solver.STEPS) != len(solver.LRS):
            yield (
                f"SOLVER.LRS has {len(solver.LRS)} values, but SOLVER.STEPS has "
                f"{len(solver.STEPS)}; give one for each"
            )
    elif solver.COSINE_END_LR > solver.BASE_LR:
        yield (
            f"SOLVER.COSINE_END_LR is {solver.COSINE_END_LR}, but must not be above BASE_LR "
            f"({solver.BASE_LR})"
        )
    nesterov = solver.OPTIMIZING_METHOD == "sgd" and solver.NESTEROV
    if nesterov and (solver.MOMENTUM == 0 or solver.DAMPENING != 0):
        yield "SOLVER.NESTEROV needs MOMENTUM above 0 and DAMPENING 0; set NESTEROV False"


def _finetuning_problems(cfg: CfgNode) -> Iterator[str]:
    smoothing, loss = cfg.SOLVER.LABEL_SMOOTHING, cfg.MODEL.LOSS_FUNC
    if smoothing and loss != "cross_entropy":
        yield (
            f"SOLVER.LABEL_SMOOTHING is {smoothing}, but MODEL.LOSS_FUNC is {loss}; it needs "
            "cross_entropy, or set it to 0"
        )
    if cfg.TRAIN.FINETUNE and not cfg.TRAIN.CHECKPOINT_FILE_PATH:
        yield "TRAIN.FINETUNE is True, but TRAIN.CHECKPOINT_FILE_PATH names no file to start from"
    if "backbone" not in cfg.TRAIN.FREEZE or not cfg.TRAIN.PROBE_CLIPS:
        return
    for key, refused in (
        ("MIXUP.ENABLED", cfg.MIXUP.ENABLED),
        ("AUG.NUM_REPEATS", cfg.AUG.NUM_REPEATS > 1),
        ("TRAIN.RANDOM_VALIDATION", cfg.TRAIN.RANDOM_VALIDATION),
    ):
        if refused:
            yield (
                f"{key} needs new clips all the time, but a linear probe (TRAIN.FREEZE backbone) "
                f"reuses its features; set TRAIN.PROBE_CLIPS 0, or leave {key} at its default"
            )
