"""Rules between keys: about the model, the data, its labels and its augmentation.

Only rules that follow from the values themselves. Those that depend on the machine or on files (GPUs,
lists, checkpoints) are checked when a run starts, in ``engine/preflight.py``.
"""

from collections.abc import Iterator

from yacs.config import CfgNode

from timesformer.config.batch_sizes import local_processes
from timesformer.config.keys_model import TIMESFORMERS
from timesformer.config.modality import modality_problems
from timesformer.config.protocols import protocol_problems
from timesformer.config.rules_joint import joint_problems
from timesformer.config.rules_training import training_problems

_MOST_HUE = 0.5  # half a turn: further ones come back from the other side


def problems_between_keys(cfg: CfgNode) -> Iterator[str]:
    """What is wrong with the values of several keys together; each is allowed alone."""
    if cfg.MODEL.MODEL_NAME in TIMESFORMERS:
        yield from _timesformer_problems(cfg)
    yield from _data_problems(cfg)
    yield from modality_problems(cfg)
    yield from _scale_problems(cfg)
    yield from _label_problems(cfg)
    yield from _augmentation_problems(cfg)
    yield from _repeat_problems(cfg)
    if cfg.MIXUP.ENABLED:
        yield from _mixup_problems(cfg)
    yield from joint_problems(cfg)
    yield from protocol_problems(cfg)
    yield from training_problems(cfg)


def _timesformer_problems(cfg: CfgNode) -> Iterator[str]:
    model = cfg.TIMESFORMER
    if model.EMBED_DIM % model.NUM_HEADS:
        yield (
            f"TIMESFORMER.EMBED_DIM is {model.EMBED_DIM}, but NUM_HEADS ({model.NUM_HEADS}) "
            "must divide it"
        )
    yield from _grid_problems(cfg, "TRAIN_CROP_SIZE")
    if cfg.TEST.ENABLE:
        yield from _grid_problems(cfg, "TEST_CROP_SIZE")
    if model.ATTENTION_TYPE == "sparse_local_global" and cfg.DATA.NUM_FRAMES % 2:
        yield (
            f"DATA.NUM_FRAMES is {cfg.DATA.NUM_FRAMES}, but sparse_local_global halves it; "
            "use an even number"
        )


def _grid_problems(cfg: CfgNode, name: str) -> Iterator[str]:
    crop, patch = cfg.DATA[name], cfg.TIMESFORMER.PATCH_SIZE
    if crop % patch:
        near = max(crop // patch, 1) * patch
        yield (
            f"DATA.{name} is {crop}, but TIMESFORMER.PATCH_SIZE ({patch}) must divide it; "
            f"use {near} or {near + patch}"
        )
    elif cfg.TIMESFORMER.ATTENTION_TYPE == "sparse_local_global" and crop // patch % 2:
        yield (
            f"DATA.{name} is {crop}, {crop // patch} patches of {patch}; sparse_local_global halves "
            f"them: use {crop + patch}"
        )


def _data_problems(cfg: CfgNode) -> Iterator[str]:
    data = cfg.DATA
    for name in ("MEAN", "STD"):
        if len(data[name]) != 3:
            yield f"DATA.{name} has {len(data[name])} values, but needs one for each of R, G, B"
    if any(value <= 0 for value in data.STD):
        yield f"DATA.STD is {data.STD}, but every value must be above 0"
    if data.DECODING_DEVICE == "cuda" and data.DECODING_BACKEND != "torchcodec":
        yield (
            f"DATA.DECODING_DEVICE is 'cuda', but {data.DECODING_BACKEND} decodes on the CPU; set "
            "DATA.DECODING_BACKEND torchcodec, or the device to cpu"
        )
    for name in ("LIMIT_TRAIN_BATCHES", "LIMIT_VAL_BATCHES"):
        limit = data[name]
        if limit > 1 and limit != int(limit):
            yield (
                f"DATA.{name} is {limit}, but must be a whole number of batches, a share below 1, or "
                f"0 for all; use {int(limit)}"
            )


def _scale_problems(cfg: CfgNode) -> Iterator[str]:
    data, jitter = cfg.DATA, cfg.DATA.TRAIN_JITTER_SCALES
    if len(jitter) != 2 or jitter[0] > jitter[1]:
        yield f"DATA.TRAIN_JITTER_SCALES is {jitter}, but must be [smallest, largest]"
    elif cfg.TRAIN.ENABLE and jitter[0] < data.TRAIN_CROP_SIZE:
        yield (
            f"DATA.TRAIN_JITTER_SCALES starts at {jitter[0]}, but a crop of TRAIN_CROP_SIZE "
            f"({data.TRAIN_CROP_SIZE}) must fit; use [{data.TRAIN_CROP_SIZE}, ...] or more"
        )
    elif _scales_test_to_jitter(cfg) and jitter[0] < data.TEST_CROP_SIZE:
        yield (
            f"DATA.TEST_CROP_SIZE is {data.TEST_CROP_SIZE}, but with TEST.NUM_SPATIAL_CROPS 1 "
            f"frames are scaled to TRAIN_JITTER_SCALES[0] ({jitter[0]}); lower the crop"
        )


def _scales_test_to_jitter(cfg: CfgNode) -> bool:
    """Whether test frames are scaled to TRAIN_JITTER_SCALES[0], as published."""
    one_crop = cfg.TEST.NUM_SPATIAL_CROPS == 1
    return bool(cfg.TEST.ENABLE and one_crop and cfg.TEST.DATASET != "ssv2")


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
    matrix, histogram = cfg.TENSORBOARD.CONFUSION_MATRIX, cfg.TENSORBOARD.HISTOGRAM
    for key, refused, reason in (
        ("MIXUP.ENABLED", cfg.MIXUP.ENABLED, "mixes single labels"),
        ("TRAIN.SAMPLER", cfg.TRAIN.SAMPLER != "uniform", "needs one class a video"),
        ("TENSORBOARD.CONFUSION_MATRIX.ENABLE", matrix.ENABLE, "has one class a row"),
        ("TENSORBOARD.HISTOGRAM.ENABLE", histogram.ENABLE, "counts one class a video"),
    ):
        if refused:
            yield f"{key} {reason}, but DATA.MULTI_LABEL is True; leave {key} at its default"


def _augmentation_problems(cfg: CfgNode) -> Iterator[str]:
    aug, jitter = cfg.AUG, cfg.AUG.COLOR_JITTER
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
            "mixes pairs of videos; use an even number"
        )
    if cfg.DATA.OVERFIT_BATCHES:
        yield (
            f"AUG.NUM_REPEATS is {repeats}, but DATA.OVERFIT_BATCHES shows one clip of a video; set "
            "it to 1"
        )


def _mixup_problems(cfg: CfgNode) -> Iterator[str]:
    mixup, per_process = cfg.MIXUP, cfg.TRAIN.BATCH_SIZE // local_processes(cfg)
    if per_process % 2:
        yield (
            f"TRAIN.BATCH_SIZE gives {per_process} clips a process, but MIXUP mixes pairs; "
            "use an even number a process"
        )
    if max(mixup.ALPHA, mixup.CUTMIX_ALPHA) <= 0 and not mixup.CUTMIX_MINMAX:
        yield "MIXUP.ENABLED needs MIXUP.ALPHA or MIXUP.CUTMIX_ALPHA above 0"
    if mixup.CUTMIX_MINMAX is not None and len(mixup.CUTMIX_MINMAX) != 2:
        yield f"MIXUP.CUTMIX_MINMAX is {mixup.CUTMIX_MINMAX}, but must be [least, most] of a side"
    if cfg.MODEL.LOSS_FUNC != "cross_entropy":
        yield "MIXUP.ENABLED needs MODEL.LOSS_FUNC cross_entropy"
