"""Weights of models that are not a TimeSformer: which public naming they have, found by the model's names.

Most files have the names of the library that the model is of. The others are a row of ``NAMINGS``:
rules that are tried, and those that name the most parameters of the model win.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from timesformer.checkpoint.formats import pyslowfast
from timesformer.checkpoint.formats.weights import Rules, State, Weights, rename
from timesformer.models.baselines.c3d import CONVOLUTIONS
from timesformer.models.classifier import Classifier

# The layers of C3D in a file of one sequence, in which ReLUs and pools stand between them.
_C3D_FEATURES = dict(zip((0, 3, 6, 8, 11, 13, 16, 18), CONVOLUTIONS, strict=True))
_C3D_LINEAR = {0: "fc6", 3: "fc7", 6: "fc8"}
_PIXEL = 255
# Of mmaction2's recipes of C3D, whose frames are RGB: R, G, B of 0 .. 255, not divided.
_MMACTION2_C3D = {
    "mean": [104 / _PIXEL, 117 / _PIXEL, 128 / _PIXEL],
    "std": [1 / _PIXEL] * 3,
    "reverse_input_channel": False,
    "num_frames": 16,
    "sampling_rate": 1,
    "crop_size": 112,
    "short_side": 128,
    "num_temporal_views": 10,
    "num_spatial_crops": 1,
}
# Of mmaction2's recipes of TSN: the pixels of ImageNet, of whole RGB frames.
_MMACTION2_TSN = {
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "reverse_input_channel": False,
    "crop_size": 224,
    "short_side": 256,
}
# Its residual networks call a norm by the convolution before it.
_MMACTION2_RESNET: Rules = (
    (r"^backbone\.(?=conv\d\.|layer\d\.)", "encoder."),
    (r"\bconv(\d)\.conv\.", r"conv\1."),
    (r"\bconv(\d)\.bn\.", r"bn\1."),
    (r"\bdownsample\.conv\.", "downsample.0."),
    (r"\bdownsample\.bn\.", "downsample.1."),
    (r"^cls_head\.fc_cls\.", "head."),
)
# Of the models of timm.
_CLASSIFIER = re.compile(r"(fc|head|classifier|last_linear|head_dist)\.")


class Naming(NamedTuple):
    """Names of a public kind of file, as rules to the names of the model."""

    name: str
    rules: Rules
    preprocessing: dict[str, Any] = {}  # noqa: RUF012  (a default that nobody changes)
    part: str = ""  # that it is the weights of; empty: the whole model
    finish: pyslowfast.Finish | None = None  # what names alone do not do


NAMINGS = (
    Naming(
        "mmaction2 C3D",
        ((r"^backbone\.(conv[12])a\.conv\.", r"\1."), (r"^backbone\.(conv\w+)\.conv\.", r"\1."),
         (r"^backbone\.(fc\d)\.", r"\1."), (r"^cls_head\.fc_cls\.", "fc8.")),
        _MMACTION2_C3D,
    ),
    Naming(
        "mmaction2 C3D backbone",
        ((r"^(conv[12])a\.conv\.", r"\1."), (r"^(conv\w+)\.conv\.", r"\1.")),
        _MMACTION2_C3D,
    ),
    Naming(
        "C3D of Caffe",
        (*((rf"^features\.{n}\.", f"{name}.") for n, name in _C3D_FEATURES.items()),
         *((rf"^classifier\.{n}\.", f"{name}.") for n, name in _C3D_LINEAR.items())),
    ),
    Naming("mmaction2 TSN", _MMACTION2_RESNET, _MMACTION2_TSN),
    *(Naming(kind, rules, finish=finish) for kind, (rules, finish) in pyslowfast.KINDS.items()),
)  # fmt: skip

FAMILIES = {  # what a name of a file tells -> the names in MODEL.MODEL_NAME
    r"(^|\.)time_embed$|temporal_attn\.": "a TimeSformer (TimeSformer)",
    r"^s\d\.pathway1_|multipathway_|^t_res\d_": "SlowFast (pytorchvideo/slowfast_r50)",
    r"^s\d\.pathway0_|^res\d_\d_|^blocks\.\d\.res_blocks\.": "a 3-D ResNet or X3D (pytorchvideo/NAME)",
    r"(^|\.)(conv5b|fc8)\.|^features\.18\.": "C3D (c3d)",
    r"^backbone\.layer\d\.\d\.conv1\.conv\.": "a ResNet of mmaction2 (of TSN: timm/resnet50+mean)",
    r"^stem\.\d.*|^layer\d\.\d\.conv1\.0\.0\.": "a video ResNet of torchvision (torchvision/r3d_18)",
    r"^encoder\..*|^temporal\.": "an image model over time (timm/NAME+STEP)",
    r"^(videomae|vivit|vjepa2|timesformer|vision_model)\.": "a model of transformers (hf/FOLDER)",
    r"^features\.\d+\.\d+\.attn\.": "a Video Swin of torchvision (torchvision/swin3d_t)",
    r"^(conv1|layer\d\.\d\.conv1)\.weight$": "an image ResNet (timm/resnet50+mean)",
    r"(^|\.)cls_token$": "a ViT or a space-only TimeSformer (TimeSformer)",
}


def family_of(names: Collection[str]) -> str:
    """What kind of model has such names, in words; empty: none that is known."""
    for pattern, words in FAMILIES.items():
        if any(re.search(pattern, name) for name in names):
            return words
    return ""


def for_model(weights: Weights, model: Classifier) -> Weights:
    """``weights`` by the names of ``model``, by whichever naming fits best.

    A file may also hold one part of the model, as the image model of a frame-wise one: its names are
    those of the part, and its own classifier is dropped.

    Raises:
        FormatError: names and shapes fit, but the file says that it is of another network.
    """
    wanted = {name: value.shape for name, value in model.state_dict().items()}
    weights = replace(weights, state=pyslowfast.only_weights(weights.state))
    if not wanted.keys() <= weights.state.keys():
        weights = replace(weights, state=model.own_names(weights.state))
    parts = dict.fromkeys(name.partition(".")[0] for name in model.state_dict())
    namings = (*NAMINGS, *(Naming(f"weights of {p}", ((r"^", f"{p}."),), part=p) for p in parts))
    best, state = max(
        ((naming, _renamed(weights.state, naming)) for naming in (None, *namings)),
        key=lambda each: _fitting(each[1], wanted),
    )
    if _fitting(state, wanted) < len(state) / 2:  # chance: it is of another family
        best, state = None, weights.state
    # Counts of batches are not in old files, and nothing that computes needs them.
    absent = [name for name in wanted if name.endswith("num_batches_tracked")]
    if best is None:
        return replace(weights, state=state, absent=tuple(absent))
    pyslowfast.refuse_other_pool(best.name, weights.about.get("cfg"))
    dropped = []
    if best.part:
        absent += [name for name in wanted if not name.startswith(f"{best.part}.")]
        dropped = [n for n in state if n not in wanted and _CLASSIFIER.match(n.partition(".")[2])]
    about = {"preprocessing": best.preprocessing} if best.preprocessing else {}
    state, notes = best.finish(state, wanted) if best.finish else (state, [])
    return replace(
        weights,
        notes=[*weights.notes, *notes],
        state={name: value for name, value in state.items() if name not in dropped},
        dropped=[*weights.dropped, *dropped],
        format=best.name,
        absent=tuple(absent),
        about=about | weights.about,
    )


def _fitting(state: State, wanted: Mapping[str, torch.Size]) -> int:
    """How many tensors have the name and the shape of a parameter."""
    return sum(wanted.get(name) == value.shape for name, value in state.items())


def _renamed(state: State, naming: Naming | None) -> State:
    return state if naming is None else rename(state, naming.rules)
