"""What a checkpoint says of a model that is not a TimeSformer: its weights by name, and its keys."""

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Any, NamedTuple

import torch

from timesformer.checkpoint import hub, timm_hub
from timesformer.checkpoint.files import read_config, weights_path
from timesformer.checkpoint.formats import Weights
from timesformer.checkpoint.formats.libraries import for_model
from timesformer.checkpoint.metadata import read_preprocessing
from timesformer.config import CfgNode, ConfigError, config_of, load_config
from timesformer.config.hf_config import PREFIX, is_video_model
from timesformer.config.keys import KEYS
from timesformer.models import MODELS, build_model, find_spec
from timesformer.models.classifier import Classifier, classifier_parameters

# Where test views lie unless the file says it: the published code, whose files cannot, never shows the
# end of a video, and of a single view only its beginning. Its own protocol stays that of training.
COVERING = {"TEST.VIEW_PLACEMENT": "paper"}
VIEWS = {"TEST.NUM_ENSEMBLE_VIEWS": 1, "TEST.NUM_SPATIAL_CROPS": 3}  # if nobody says them
PREDICTING = ("TRAIN.ENABLE", "False", "TEST.ENABLE", "True", "NUM_GPUS", "0")


class Other(NamedTuple):
    """Weights by the names of their model, and its configuration."""

    weights: Weights
    cfg: CfgNode
    num_classes: int | None  # of its classifier; None: it has none


def folder_name(path: str | PathLike[str]) -> str:
    """``hf/FOLDER`` for weights in a folder of transformers that says it is of a video model; else empty.

    Raises:
        CheckpointError: there are no such weights, or its config.json is damaged.
    """
    if timm_hub.is_name(path) or not is_video_model(read_config(path, "config.json")):
        return ""
    is_of_hub = hub.is_name(path)
    return PREFIX + (fspath(path) if is_of_hub else str(weights_path(path).parent))


def build_name(cfg_file: str | PathLike[str] | None, overrides: Sequence[str]) -> str:
    """The name of the model that a command says; empty: it does not."""
    said = dict(zip(overrides[::2], overrides[1::2], strict=False)).get("MODEL.MODEL_NAME", "")
    if cfg_file is None or said:
        return said
    name: str = load_config(fspath(cfg_file), (*PREDICTING, *overrides)).MODEL.MODEL_NAME
    return name


def build_other(
    path: str,
    weights: Weights,
    own: Mapping[str, Any],
    cfg_file: str | PathLike[str] | None = None,
    overrides: Sequence[str] = (),
) -> Other:
    """What a file of a model that is not a TimeSformer says.

    A file without a configuration gets the preprocessing that the published weights of its model
    assume, and as many classes as its classifier has.
    """
    overrides = (*PREDICTING, *overrides)
    if cfg_file is not None:
        cfg = load_config(fspath(cfg_file), overrides)
        model = shadow(cfg)
        found = for_model(weights, model)
        return Other(found, cfg, _num_classes(found, model))
    name = build_name(None, overrides) or own["MODEL.MODEL_NAME"]
    values = scored(own) or {**VIEWS, **find_spec(MODELS, name).defaults(name), **COVERING}
    model = shadow(config_from(values, overrides, path=path))
    found = for_model(weights, model)
    num_classes = _num_classes(found, model)
    if not own:
        said = found.about.get("preprocessing", {})
        values |= read_preprocessing(said, source=path) if said else {}
        values["MODEL.NUM_CLASSES"] = num_classes or 1
    return Other(found, config_from(values, overrides, path=path), num_classes)


def _num_classes(weights: Weights, model: Classifier) -> int | None:
    head = weights.state.get(classifier_parameters(model)[0])
    return None if head is None else len(head)


def shadow(cfg: CfgNode) -> Classifier:
    """The model without values."""
    with torch.device("meta"):
        return build_model(cfg)


def scored(own: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that decide a score, and the name of the model."""
    return {key: value for key, value in own.items() if key in KEYS and KEYS[key].scored}


def config_from(values: Mapping[str, Any], overrides: Sequence[str], *, path: str) -> CfgNode:
    """The configuration; errors in it name the checkpoint."""
    try:
        return config_of(values, overrides, source=path)
    except ConfigError as error:
        raise ConfigError(str(error) if path in str(error) else f"{path}: {error}") from error
