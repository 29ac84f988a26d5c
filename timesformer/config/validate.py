"""What a configuration may not say: checked once, after the merge, all problems reported together.

Only what follows from the values themselves is checked here. What depends on the machine or on
files (GPUs, lists, checkpoints) is checked when a run starts, in ``engine/preflight.py``.
"""

from collections.abc import Iterator

from fvcore.common.config import CfgNode

from timesformer.config.augmentation import augmentation_problems, mixup_problems
from timesformer.config.batch_sizes import batch_problems
from timesformer.config.distribution import sharding_problems
from timesformer.config.finetuning import finetuning_problems
from timesformer.config.limits import AT_LEAST, AT_MOST, CHOICES, FRACTIONS, PROBABILITIES
from timesformer.config.load import ConfigError
from timesformer.config.trials import trial_problems


def validate(cfg: CfgNode) -> None:
    """Raise one ConfigError that lists every value that cannot be used, or return."""
    problems = list(_problems(cfg))
    if problems:
        raise ConfigError("\n".join(problems))


def _problems(cfg: CfgNode) -> Iterator[str]:
    for key, choices in CHOICES.items():
        if _get(cfg, key) not in choices:
            names = ", ".join(str(choice) or '""' for choice in choices)
            yield f"{key} is {_get(cfg, key)!r}; choose one of {names}{_WHY.get(key, '')}"
    yield from _range_problems(cfg)
    if any(_get(cfg, key) < max(AT_LEAST[key], 1) for key in _DIVISORS):
        return  # named above; the rules below divide by them
    yield from _model_problems(cfg)
    yield from _data_problems(cfg)
    yield from _label_problems(cfg)
    yield from augmentation_problems(cfg)
    yield from trial_problems(cfg)
    yield from _batch_problems(cfg)
    yield from _precision_problems(cfg)
    yield from sharding_problems(cfg)
    yield from _solver_problems(cfg)


def _range_problems(cfg: CfgNode) -> Iterator[str]:
    for key, least in AT_LEAST.items():
        if not _get(cfg, key) >= least:
            yield f"{key} is {_get(cfg, key)}, but must be at least {least}"
    for key, most in AT_MOST.items():
        if not _get(cfg, key) <= most:
            yield f"{key} is {_get(cfg, key)}, but must be at most {most}"
    for key in FRACTIONS:
        if not 0 <= _get(cfg, key) < 1:
            yield f"{key} is {_get(cfg, key)}, but must be in [0, 1)"
    for key in PROBABILITIES:
        if not 0 <= _get(cfg, key) <= 1:
            yield f"{key} is {_get(cfg, key)}, but must be in [0, 1]"


_DIVISORS = (
    "TIMESFORMER.PATCH_SIZE",
    "TIMESFORMER.NUM_HEADS",
    "TRAIN.BATCH_SIZE",
    "DIST.CPU_PROCESSES",
    "AUG.NUM_REPEATS",
)
_WHY = {
    "MODEL.ARCH": " (SlowFast, ResNet and X3D are not part of this project)",
    "MODEL.LOSS_FUNC": " (bce wants probabilities, and the model gives logits: use bce_logit)",
    "DATA.DECODING_BACKEND": " (torchvision no longer decodes video)",
}


def _get(cfg: CfgNode, key: str) -> object:
    for name in key.split("."):
        cfg = cfg[name]
    return cfg


def _model_problems(cfg: CfgNode) -> Iterator[str]:
    model = cfg.TIMESFORMER
    if model.EMBED_DIM % model.NUM_HEADS:
        yield (
            f"TIMESFORMER.EMBED_DIM is {model.EMBED_DIM}, but NUM_HEADS ({model.NUM_HEADS}) "
            "must divide it"
        )
    if not model.MLP_RATIO > 0:
        yield f"TIMESFORMER.MLP_RATIO is {model.MLP_RATIO}, but must be above 0"
    crops = {"DATA.TRAIN_CROP_SIZE": cfg.DATA.TRAIN_CROP_SIZE}
    if cfg.TEST.ENABLE:
        crops["DATA.TEST_CROP_SIZE"] = cfg.DATA.TEST_CROP_SIZE
    for key, crop in crops.items():
        yield from _grid_problems(key, crop, model.PATCH_SIZE, model.ATTENTION_TYPE)
    if model.ATTENTION_TYPE == "sparse_local_global" and cfg.DATA.NUM_FRAMES % 2:
        yield (
            f"DATA.NUM_FRAMES is {cfg.DATA.NUM_FRAMES}, but sparse_local_global halves it; "
            "use an even number"
        )


def _grid_problems(key: str, crop: int, patch: int, scheme: str) -> Iterator[str]:
    if crop % patch:
        near = max(crop // patch, 1) * patch
        yield (
            f"{key} is {crop}, but TIMESFORMER.PATCH_SIZE ({patch}) must divide it; "
            f"use {near} or {near + patch}"
        )
    elif scheme == "sparse_local_global" and crop // patch % 2:
        yield (
            f"{key} is {crop}, {crop // patch} patches of {patch}; sparse_local_global halves "
            f"them: use {crop + patch}"
        )


def _data_problems(cfg: CfgNode) -> Iterator[str]:
    data = cfg.DATA
    for key in ("MEAN", "STD"):
        if len(data[key]) != 3:
            yield f"DATA.{key} has {len(data[key])} values, but needs one for each of R, G, B"
    if any(value <= 0 for value in data.STD):
        yield f"DATA.STD is {data.STD}, but every value must be above 0"
    if data.DECODING_DEVICE == "cuda" and data.DECODING_BACKEND != "torchcodec":
        yield (
            f"DATA.DECODING_DEVICE is 'cuda', but {data.DECODING_BACKEND} decodes on the CPU; set "
            "DATA.DECODING_BACKEND torchcodec, or the device to cpu"
        )
    jitter = data.TRAIN_JITTER_SCALES
    if len(jitter) != 2 or jitter[0] > jitter[1]:
        yield f"DATA.TRAIN_JITTER_SCALES is {jitter}, but must be [smallest, largest]"
    elif cfg.TRAIN.ENABLE and jitter[0] < data.TRAIN_CROP_SIZE:
        yield (
            f"DATA.TRAIN_JITTER_SCALES starts at {jitter[0]}, but a crop of TRAIN_CROP_SIZE "
            f"({data.TRAIN_CROP_SIZE}) must fit; use [{data.TRAIN_CROP_SIZE}, ...] or more"
        )
    elif _scales_to_jitter(cfg) and jitter[0] < data.TEST_CROP_SIZE:
        yield (
            f"DATA.TEST_CROP_SIZE is {data.TEST_CROP_SIZE}, but with TEST.NUM_SPATIAL_CROPS 1 "
            f"frames are scaled to TRAIN_JITTER_SCALES[0] ({jitter[0]}); lower the crop"
        )


def _scales_to_jitter(cfg: CfgNode) -> bool:
    """Whether test frames are scaled to TRAIN_JITTER_SCALES[0], as published."""
    one_crop = cfg.TEST.NUM_SPATIAL_CROPS == 1
    return cfg.TEST.ENABLE and one_crop and cfg.TEST.DATASET != "ssv2"


def _label_problems(cfg: CfgNode) -> Iterator[str]:
    if not cfg.DATA.MULTI_LABEL:
        return
    if cfg.MODEL.LOSS_FUNC != "bce_logit":
        yield (
            f"DATA.MULTI_LABEL needs MODEL.LOSS_FUNC bce_logit, one sigmoid a class, and it is "
            f"{cfg.MODEL.LOSS_FUNC}"
        )
    if cfg.DATA.PATH_LABEL_SEPARATOR == ";":
        yield "DATA.PATH_LABEL_SEPARATOR is ';', but DATA.MULTI_LABEL writes 3;7; use a blank"
    board = cfg.TENSORBOARD
    for key, refused, reason in (
        ("MIXUP.ENABLED", cfg.MIXUP.ENABLED, "mixes single labels"),
        ("TRAIN.SAMPLER", cfg.TRAIN.SAMPLER != "uniform", "needs one class a video"),
        (
            "TENSORBOARD.CONFUSION_MATRIX.ENABLE",
            board.CONFUSION_MATRIX.ENABLE,
            "has one class a row",
        ),
        ("TENSORBOARD.HISTOGRAM.ENABLE", board.HISTOGRAM.ENABLE, "counts one class a video"),
    ):
        if refused:
            yield f"{key} {reason}, but DATA.MULTI_LABEL is True; leave {key} at its default"


def _batch_problems(cfg: CfgNode) -> Iterator[str]:
    if cfg.RNG_SEED >= 1 << 63:
        yield f"RNG_SEED is {cfg.RNG_SEED}, but must be below 2 ** 63"
    if cfg.SHARD_ID >= cfg.NUM_SHARDS:
        yield f"SHARD_ID is {cfg.SHARD_ID}, but must be below NUM_SHARDS ({cfg.NUM_SHARDS})"
    yield from batch_problems(cfg)
    if cfg.MIXUP.ENABLED:
        yield from mixup_problems(cfg)


def _precision_problems(cfg: CfgNode) -> Iterator[str]:
    for section in ("TRAIN", "TEST"):
        name = cfg[section].PRECISION
        if cfg[section].ENABLE and cfg.NUM_GPUS == 0 and name in ("tf32", "fp16"):
            remedy = "bf16" if name == "fp16" else "fp32"
            yield f"{section}.PRECISION {name} needs a GPU, and NUM_GPUS is 0; use {remedy} on a CPU"


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
    elif solver.LR_POLICY == "cosine" and solver.COSINE_END_LR > solver.BASE_LR:
        yield (
            f"SOLVER.COSINE_END_LR is {solver.COSINE_END_LR}, but must not be above BASE_LR "
            f"({solver.BASE_LR})"
        )
    yield from finetuning_problems(cfg)
    nesterov = solver.OPTIMIZING_METHOD == "sgd" and solver.NESTEROV
    if nesterov and (solver.MOMENTUM == 0 or solver.DAMPENING != 0):
        yield "SOLVER.NESTEROV needs MOMENTUM above 0 and DAMPENING 0; set NESTEROV False"
