"""What the keys about fine-tuning may not say."""

from collections.abc import Iterator

from fvcore.common.config import CfgNode


def finetuning_problems(cfg: CfgNode) -> Iterator[str]:
    """Layer decay, label smoothing, and what is needed to start from weights."""
    solver = cfg.SOLVER
    if not 0 < solver.LAYER_DECAY <= 1:
        yield (
            f"SOLVER.LAYER_DECAY is {solver.LAYER_DECAY}, but must be above 0 and at most 1 (off)"
        )
    if solver.LABEL_SMOOTHING and cfg.MODEL.LOSS_FUNC != "cross_entropy":
        yield (
            f"SOLVER.LABEL_SMOOTHING is {solver.LABEL_SMOOTHING}, but MODEL.LOSS_FUNC is "
            f"{cfg.MODEL.LOSS_FUNC}; it needs cross_entropy, or set it to 0"
        )
    if "backbone" in cfg.TRAIN.FREEZE and cfg.TRAIN.PROBE_CLIPS:
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
    if cfg.TRAIN.FINETUNE and not cfg.TRAIN.CHECKPOINT_FILE_PATH:
        yield "TRAIN.FINETUNE is True, but TRAIN.CHECKPOINT_FILE_PATH names no file to start from"
