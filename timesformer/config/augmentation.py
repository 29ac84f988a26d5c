"""What the AUG and MIXUP sections may not say."""

from collections.abc import Iterator

from fvcore.common.config import CfgNode

from timesformer.config.batch_sizes import local_processes

_MOST_MAGNITUDE = 30  # of torchvision's 31 steps
_MOST_HUE = 0.5  # half a turn: further ones come back from the other side


def mixup_problems(cfg: CfgNode) -> Iterator[str]:
    """What MIXUP may not say if it is enabled."""
    per_gpu = cfg.TRAIN.BATCH_SIZE // local_processes(cfg)
    if per_gpu % 2:
        yield (
            f"TRAIN.BATCH_SIZE gives {per_gpu} clips a process, but MIXUP mixes pairs; "
            "use an even number a process"
        )
    mixup = cfg.MIXUP
    for name in ("PROB", "SWITCH_PROB"):
        if not 0 <= mixup[name] <= 1:
            yield f"MIXUP.{name} is {mixup[name]}, but must be in [0, 1]"
    if max(mixup.ALPHA, mixup.CUTMIX_ALPHA) <= 0 and not mixup.CUTMIX_MINMAX:
        yield "MIXUP.ENABLED needs MIXUP.ALPHA or MIXUP.CUTMIX_ALPHA above 0"
    if mixup.CUTMIX_MINMAX is not None and len(mixup.CUTMIX_MINMAX) != 2:
        yield f"MIXUP.CUTMIX_MINMAX is {mixup.CUTMIX_MINMAX}, but must be [least, most] of a side"
    if cfg.MODEL.LOSS_FUNC != "cross_entropy":
        yield "MIXUP.ENABLED needs MODEL.LOSS_FUNC cross_entropy"


def augmentation_problems(cfg: CfgNode) -> Iterator[str]:
    """What AUG may not say."""
    aug, jitter = cfg.AUG, cfg.AUG.COLOR_JITTER
    if aug.RAND_AUGMENT_MAGNITUDE > _MOST_MAGNITUDE:
        yield (
            f"AUG.RAND_AUGMENT_MAGNITUDE is {aug.RAND_AUGMENT_MAGNITUDE}, but the strongest is "
            f"{_MOST_MAGNITUDE}"
        )
    if len(jitter) != 4 or min(jitter) < 0 or jitter[3] > _MOST_HUE:
        yield (
            f"AUG.COLOR_JITTER is {jitter}, but must be [brightness, contrast, saturation, hue], "
            f"none below 0, hue at most {_MOST_HUE}"
        )
    if aug.FLIP_MAP and not cfg.DATA.RANDOM_FLIP:
        yield (
            f"AUG.FLIP_MAP is {aug.FLIP_MAP!r}, but DATA.RANDOM_FLIP is False, so that no clip is "
            "flipped; set one or the other"
        )
    yield from _repeat_problems(cfg)


def _repeat_problems(cfg: CfgNode) -> Iterator[str]:
    repeats, clips = cfg.AUG.NUM_REPEATS, cfg.TRAIN.BATCH_SIZE // local_processes(cfg)
    if repeats == 1:
        return
    if clips % repeats:
        near = max(clips // repeats, 1) * repeats * local_processes(cfg)
        yield (
            f"TRAIN.BATCH_SIZE gives {clips} clips a process, but AUG.NUM_REPEATS ({repeats}) must "
            f"divide them; use {near}, or another NUM_REPEATS"
        )
    elif cfg.MIXUP.ENABLED and clips // repeats % 2:
        yield (
            f"TRAIN.BATCH_SIZE gives {clips // repeats} videos of {repeats} clips a process, but MIXUP "
            "mixes pairs of videos; use an even number a process"
        )
