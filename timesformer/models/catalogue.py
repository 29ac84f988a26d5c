"""Size, cost and input of a model by its name, found on PyTorch's meta device."""

from fnmatch import fnmatchcase
from typing import NamedTuple

import torch

from timesformer.config import config_of
from timesformer.models import MODELS, build_model, find_spec
from timesformer.models.baselines import frame_wise, two_stream
from timesformer.models.flops import multiply_adds
from timesformer.models.spec import names_of
from timesformer.models.trial import fewest_frames

OF_TIMM = (frame_wise.PREFIX, two_stream.PREFIX)  # families that have every image model of timm


class ModelFacts(NamedTuple):
    """A model with the clips that its weights assume, or those of a configuration's defaults."""

    name: str
    parameters: int
    multiply_adds: int  # of one clip
    num_frames: int
    side: int  # of a crop, in pixels
    layout: str
    fewest_frames: int | None  # with this crop; None: none that was tried
    licence: str  # of the published weights


def find_names(pattern: str = "") -> list[str]:
    """Names of models that contain ``pattern``, or, with * or ?, match it.

    The thousands of names of ``OF_TIMM`` are searched only by a pattern that starts with the prefix.
    """
    wanted = pattern if "*" in pattern or "?" in pattern else f"*{pattern}*"
    listed = (
        name
        for prefix, spec in MODELS.items()
        if prefix not in OF_TIMM or pattern.startswith(prefix)
        for name in names_of(spec)
    )
    found = [name for name in dict.fromkeys(listed) if fnmatchcase(name, wanted)]
    return found or ([pattern] if "/" in pattern and wanted != pattern else [])


def facts_of(name: str) -> ModelFacts:
    """What is known of the model ``name``.

    Raises:
        ConfigError: there is no such model.
    """
    spec = find_spec(MODELS, name)
    values = {"MODEL.MODEL_NAME": name, "TRAIN.ENABLE": False, "TEST.ENABLE": False}
    config_of(values, source="models")  # a wrong name is reported before its defaults are asked for
    cfg = config_of({**values, **spec.defaults(name)}, source="models")
    with torch.device("meta"):
        model = build_model(cfg).eval()
    _, frames, side, _ = model.input_spec
    return ModelFacts(
        name=name,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        multiply_adds=multiply_adds(model),
        num_frames=frames,
        side=side,
        layout=spec.layout,
        fewest_frames=fewest_frames(model, side),
        licence=spec.licence(name),
    )
