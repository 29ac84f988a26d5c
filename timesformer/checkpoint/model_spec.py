"""What a checkpoint says of its model: sizes, preprocessing, class names.

In order of trust: the configuration it carries, its ``preprocessing`` entry, the shapes of its weights
with the published preprocessing.
"""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple

from timesformer.checkpoint import timm_hub
from timesformer.checkpoint.architecture import HEAD_WIDTH, Architecture, infer, usual_heads
from timesformer.checkpoint.formats.libraries import family_of
from timesformer.checkpoint.load import CheckpointError, Weights, read_weights
from timesformer.checkpoint.metadata import LONGEST_SIDE, build_preprocessing, read_preprocessing
from timesformer.checkpoint.other_models import (
    COVERING,
    PREDICTING,
    build_name,
    build_other,
    config_from,
    folder_name,
    scored,
)
from timesformer.config import CfgNode, flat_values, load_config, portable
from timesformer.datasets.class_names import class_names
from timesformer.models import TIMESFORMERS, is_other

PUBLISHED_NAMES = {  # TRAIN.DATASET and classes of the published checkpoints -> data set
    ("kinetics", 400): "kinetics400",
    ("kinetics", 600): "kinetics600",
    ("ssv2", 174): "ssv2",
}
PUBLISHED_RATES = {8: 32, 16: 16, 96: 4}  # frames of a clip -> SAMPLING_RATE of its recipe
PUBLISHED_SPAN = 256  # frames of a clip of most recipes
JITTER = (256, LONGEST_SIDE)  # of the recipes of 224 pixels
NO_CLASSIFIER = (
    "holds no classifier (an image ViT or a bare backbone), so it can give features, but no "
    "predictions; fine-tune it first"
)


class ModelSpec(NamedTuple):
    """A checkpoint: its weights, and how to use them."""

    path: str
    weights: Weights
    cfg: CfgNode
    class_names: tuple[str, ...]  # one a class, or none if nobody knows
    notes: tuple[str, ...]  # what had to be assumed
    has_classifier: bool


def read_model_spec(
    path: str | PathLike[str],
    *,
    cfg_file: str | PathLike[str] | None = None,
    overrides: Iterable[str] = (),
    classes: str | PathLike[str] | None = None,
) -> ModelSpec:
    """Read a checkpoint and find out what it takes to predict with it.

    Args:
        path: the checkpoint.
        cfg_file: a YAML file instead of what the checkpoint says.
        overrides: ``KEY VALUE KEY VALUE ...`` on top of either.
        classes: a data set whose class names ship with the package, or a file with a name a line.

    Raises:
        CheckpointError: no checkpoint, or not of a TimeSformer or image ViT.
        ConfigError: values that do not fit together.
        ClassNamesError: class names that cannot be read.
    """
    overrides = tuple(overrides)
    named = build_name(cfg_file, overrides)
    if not named and (named := folder_name(_portable(fspath(path)))):
        overrides = ("MODEL.MODEL_NAME", named, *overrides)
    weights = _read(fspath(path), converted=named in ("", *TIMESFORMERS))
    text = weights.about.get("cfg")
    own = flat_values(text, source=str(path)) if isinstance(text, str) else {}
    if is_other(named or own.get("MODEL.MODEL_NAME", "")):
        other = build_other(str(path), weights, own, cfg_file, overrides)
        said = [] if own or cfg_file else [build_note(other.cfg)]
        return _spec(str(path), other.weights, own, other.cfg, said, other.num_classes, classes)
    try:
        found = infer(weights.state)
    except ValueError as error:
        kind = family_of(weights.state.keys())
        hint = f"; it looks like weights of {kind}: add MODEL.MODEL_NAME and that" if kind else ""
        raise CheckpointError(
            f"{path} is not a checkpoint of a TimeSformer: {error}{hint}"
        ) from error
    if cfg_file is None:
        guessed = _guesses_heads(weights, found, {*own, *overrides[::2]}, str(path))
        values, notes = _values(own, weights, found, source=str(path), guessed=guessed)
        cfg = config_from(values, (*PREDICTING, *overrides), path=str(path))
    else:
        cfg, notes = load_config(fspath(cfg_file), (*PREDICTING, *overrides)), []
    sizes = {"DEPTH": found.depth, "EMBED_DIM": found.embed_dim}
    for key, value in build_sizes(cfg).items():
        if value != sizes[key]:  # before a model of that size is built
            raise CheckpointError(
                f"{path} is of another architecture: TIMESFORMER.{key} is {value}, but its "
                f"weights have {sizes[key]}; set TIMESFORMER.{key} {sizes[key]}"
            )
    return _spec(str(path), weights, own, cfg, notes, found.num_classes, classes)


def build_sizes(cfg: CfgNode) -> dict[str, int]:
    """Sizes of the model that decide how much memory it takes."""
    return {key: cfg.TIMESFORMER[key] for key in ("DEPTH", "EMBED_DIM")}


def _spec(
    path: str,
    weights: Weights,
    own: Mapping[str, Any],
    cfg: CfgNode,
    notes: Sequence[str],
    num_classes: int | None,
    classes: str | PathLike[str] | None,
) -> ModelSpec:
    """With the names of the classes; ``num_classes`` is None for weights without a classifier."""
    names, note = _class_names(own, weights, num_classes, classes)
    if names and num_classes is not None and len(names) != num_classes:
        raise CheckpointError(
            f"{classes or path} names {len(names)} classes, but the classifier of {path} has "
            f"{num_classes}; give the names of its own classes with --classes, a line each"
        )
    said = tuple(filter(None, [*weights.notes, *notes, note]))
    return ModelSpec(path, weights, cfg, names, said, num_classes is not None)


def _read(name: str, *, converted: bool) -> Weights:
    mapped = not timm_hub.is_name(name)
    return read_weights(_portable(name), mmap=mapped, converted=converted)


def _portable(name: str) -> str | Path:
    return name if timm_hub.is_name(name) else portable(name)


def _guesses_heads(weights: Weights, found: Architecture, said: set[str], path: str) -> bool:
    """Whether the number of heads is a guess: shapes do not show it.

    Raises:
        CheckpointError: there is nothing to guess from, no known model is of this width.
    """
    guessed = weights.num_heads is None and "TIMESFORMER.NUM_HEADS" not in said
    if guessed and not usual_heads(found.embed_dim):
        raise CheckpointError(
            f"{path} does not say how many heads its attention has, and {found.embed_dim} channels "
            f"are no multiple of {HEAD_WIDTH}, the usual width of one; add TIMESFORMER.NUM_HEADS N"
        )
    return guessed


def _values(
    own: Mapping[str, Any], weights: Weights, found: Architecture, *, source: str, guessed: bool
) -> tuple[dict[str, Any], list[str]]:
    """Flat keys and values of a configuration, and notes on what is no more than an assumption."""
    if own:
        values = _sizes(found, weights) | scored(own)
        if not _is_published(own):
            return values, []
        values |= COVERING
        bgr = own.get("TEST.DATASET") == "ssv2"  # its reader never looked at the key
        values["DATA.REVERSE_INPUT_CHANNEL"] = bgr
        return values, ["a published SSv2 checkpoint, trained on BGR: it gets BGR"] * bgr
    values = _sizes(found, weights) | _recipe(found) | COVERING
    said = weights.about.get("preprocessing")
    said = said if isinstance(said, Mapping) else {}
    values |= read_preprocessing(said, source=source)
    complete = "sampling_rate" in said
    return values, [] if complete else [_describe_assumptions(values, guessed=guessed)]


def _is_published(own: Mapping[str, Any]) -> bool:
    """Whether the published code wrote this configuration: it had no such key."""
    return bool(own) and "TIMESFORMER.PATCH_SIZE" not in own


def _sizes(found: Architecture, weights: Weights) -> dict[str, Any]:
    """The keys of the model; a published configuration has but two of them."""
    said = {} if weights.norm_eps is None else {"TIMESFORMER.NORM_EPS": weights.norm_eps}
    return said | {
        "TIMESFORMER.PRE_NORM": "norm_pre.weight" in weights.state,
        "TIMESFORMER.ATTENTION_TYPE": weights.scheme or found.attention_type,
        "TIMESFORMER.PATCH_SIZE": found.patch_size,
        "TIMESFORMER.EMBED_DIM": found.embed_dim,
        "TIMESFORMER.DEPTH": found.depth,
        "TIMESFORMER.NUM_HEADS": weights.num_heads or found.num_heads,
        "TIMESFORMER.MLP_RATIO": found.mlp_ratio,
        "MODEL.NUM_CLASSES": found.num_classes or 1,
    }


def _recipe(found: Architecture) -> dict[str, Any]:
    """The preprocessing of the published recipe that is nearest to the model."""
    num_frames = found.num_frames or 8
    side = found.img_size
    return {
        "DATA.NUM_FRAMES": num_frames,
        "DATA.SAMPLING_RATE": PUBLISHED_RATES.get(num_frames, max(PUBLISHED_SPAN // num_frames, 1)),
        "DATA.TRAIN_CROP_SIZE": side,
        "DATA.TEST_CROP_SIZE": side,
        "DATA.TRAIN_JITTER_SCALES": list(JITTER) if side <= JITTER[0] else [side, side * 8 // 7],
        "TEST.NUM_ENSEMBLE_VIEWS": 1,
        "TEST.NUM_SPATIAL_CROPS": 3,
    }


def _describe_assumptions(values: Mapping[str, Any], *, guessed: bool) -> str:
    heads = f", {values['TIMESFORMER.NUM_HEADS']} heads assumed" if guessed else ""
    return (
        "no configuration in the file: sizes from its weights ("
        f"{values['TIMESFORMER.ATTENTION_TYPE']}{heads}), preprocessing as published (clips of "
        f"{values['DATA.NUM_FRAMES']} frames at rate {values['DATA.SAMPLING_RATE']}, crops of "
        f"{values['DATA.TEST_CROP_SIZE']}, mean {values.get('DATA.MEAN', 0.45)}, std "
        f"{values.get('DATA.STD', 0.225)})"
    )


def build_note(cfg: CfgNode) -> str:
    """What is assumed of a file without configuration that is not of a TimeSformer."""
    fps = f" of {cfg.DATA.TARGET_FPS:g} a second" if cfg.DATA.TARGET_FPS else ""
    return (
        "no configuration in the file: preprocessing as the published weights of "
        f"{cfg.MODEL.MODEL_NAME} assume it (clips of {cfg.DATA.NUM_FRAMES} frames at rate "
        f"{cfg.DATA.SAMPLING_RATE}{fps}, short side {build_preprocessing(cfg)['short_side']}, "
        f"{cfg.TEST.NUM_SPATIAL_CROPS} crop(s) of {cfg.DATA.TEST_CROP_SIZE}, mean "
        f"{_rounded(cfg.DATA.MEAN)}, std {_rounded(cfg.DATA.STD)}"
        f"{', BGR' if cfg.DATA.REVERSE_INPUT_CHANNEL else ''})"
    )


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 4) for value in values]


def _class_names(
    own: Mapping[str, Any],
    weights: Weights,
    num_classes: int | None,
    classes: str | PathLike[str] | None,
) -> tuple[tuple[str, ...], str]:
    """The names of the classes, and a note if they are missing or assumed."""
    if classes is not None:
        return class_names(portable(fspath(classes))), ""
    if weights.class_names:
        return weights.class_names, ""
    if num_classes is None:
        return (), ""
    known = PUBLISHED_NAMES.get((own.get("TRAIN.DATASET"), num_classes))
    if known and _is_published(own):
        return class_names(known), f"the classes are called as those of {known}"
    return (), "no class names: classes go by their number; name them with --classes"
