"""Presets of fine-tuning: configuration values for given weights and a number of videos.

    training videos             preset    what trains
    fewer than 100              probe     the head, on features that are computed once
    100 to 1999                 gentle    everything: AdamW, rates that fall with depth, 30 epochs
    2000 and more               full      everything: the published recipe, SGD, 15 epochs

With fewer than 5 training videos a class on average it is the probe too.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from timesformer.checkpoint.model_spec import ModelSpec
from timesformer.config import flat_values
from timesformer.config.keys import KEYS
from timesformer.config.tree import flatten
from timesformer.tables import choose

PROBE_BELOW = 100  # videos
PROBE_BELOW_A_CLASS = 5  # videos, on average
FULL_FROM = 2000  # videos
MOST_CLIPS = 8  # a batch; of a probe too, whose clips go through the backbone once
IMAGE_CROP = 224  # pixels; for image weights of any size
IMAGE_FRAMES, IMAGE_RATE = 8, 32  # of a clip, as published
JITTER = 8 / 7  # short side / crop at least, as 256 / 224 published
RATE = "DATA.SAMPLING_RATE"
UNTOLD = ("TIMESFORMER.NUM_HEADS", "MODEL.MODEL_NAME")
NOT_CARRIED = {"MODEL.NUM_CLASSES", "MODEL.LOSS_FUNC", "DATA.MULTI_LABEL", "TEST.DATASET"}


class Preset(NamedTuple):
    """Keys and values; ``why`` is when to use it."""

    why: str
    values: Mapping[str, Any]


_KEPT = {"TEST.CHECKPOINT_FILE_PATH": "best", "TRAIN.KEEP_CHECKPOINTS": 1}
_ADAMW = {
    "SOLVER.OPTIMIZING_METHOD": "adamw",
    "SOLVER.LR_POLICY": "cosine",
    "SOLVER.ZERO_WD_1D_PARAM": True,
}

PRESETS = {
    "probe": Preset(
        "few videos: the head alone learns, from features that are computed once",
        {
            **_ADAMW,
            "TRAIN.FREEZE": ["backbone"],
            "GLOBAL_BATCH_SIZE": 16,
            "SOLVER.BASE_LR": 3e-3,
            "SOLVER.WEIGHT_DECAY": 0.01,
            "SOLVER.MAX_EPOCH": 100,
            "TRAIN.EVAL_PERIOD": 10,
            "TRAIN.CHECKPOINT_PERIOD": 50,
        },
    ),
    "gentle": Preset(
        "some videos: everything learns, the deeper the less, for many epochs",
        {
            **_ADAMW,
            "GLOBAL_BATCH_SIZE": 16,
            "SOLVER.BASE_LR": 1e-4,
            "SOLVER.HEAD_LR_RATIO": 10.0,
            "SOLVER.LAYER_DECAY": 0.75,
            "SOLVER.WEIGHT_DECAY": 0.05,
            "SOLVER.LABEL_SMOOTHING": 0.1,
            "SOLVER.WARMUP_EPOCHS": 3.0,
            "SOLVER.WARMUP_START_LR": 1e-6,
            "SOLVER.MAX_EPOCH": 30,
            "TRAIN.EVAL_PERIOD": 1,
            "TRAIN.CHECKPOINT_PERIOD": 10,
        },
    ),
    "full": Preset(
        "many videos: the published recipe",
        {
            "GLOBAL_BATCH_SIZE": 64,
            "SOLVER.OPTIMIZING_METHOD": "sgd",
            "SOLVER.LR_POLICY": "steps_with_relative_lrs",
            "SOLVER.STEPS": [0, 11, 14],
            "SOLVER.LRS": [1, 0.1, 0.01],
            "SOLVER.BASE_LR": 0.005,
            "SOLVER.MOMENTUM": 0.9,
            "SOLVER.WEIGHT_DECAY": 1e-4,
            "SOLVER.MAX_EPOCH": 15,
            "TRAIN.EVAL_PERIOD": 1,
            "TRAIN.CHECKPOINT_PERIOD": 5,
        },
    ),
}


def preset_for(num_videos: int, num_classes: int) -> str:
    """Name of the preset for this many training videos, by the table above."""
    if num_videos < max(PROBE_BELOW, PROBE_BELOW_A_CLASS * num_classes):
        return "probe"
    return "gentle" if num_videos < FULL_FROM else "full"


def preset_values(name: str, num_videos: int) -> dict[str, Any]:
    """The values of preset ``name``, with batches that this many training videos can fill."""
    values = choose(PRESETS, name, key="--recipe").values
    return {**values, **_KEPT, "TRAIN.BATCH_SIZE": min(MOST_CLIPS, num_videos)}


def start_values(weights: ModelSpec) -> dict[str, Any]:
    """Model and clips to fine-tune ``weights`` with: their own, and for an image ViT divided attention.

    Testing takes one clip and three crops, as published, but the clip is the middle one, as in
    validation and prediction. Videos that are stored rotated are turned. Weights that were trained
    without flips tell left from right, and are trained without them again.
    """
    own = flatten(weights.cfg)
    values = {k: v for k, v in own.items() if KEYS[k].scored and k not in NOT_CARRIED}
    if _is_image_vit(weights, values["TIMESFORMER.ATTENTION_TYPE"]):
        values["TIMESFORMER.ATTENTION_TYPE"] = "divided_space_time"
        values |= {"DATA.NUM_FRAMES": IMAGE_FRAMES, "DATA.SAMPLING_RATE": IMAGE_RATE}
        patch = values["TIMESFORMER.PATCH_SIZE"]
        values |= crop_values(max(IMAGE_CROP // patch, 1) * patch)
    if _trained_with(weights).get("DATA.RANDOM_FLIP") is False:
        values["DATA.RANDOM_FLIP"] = False
    views = {"NUM_ENSEMBLE_VIEWS": 1, "NUM_SPATIAL_CROPS": 3, "VIEW_PLACEMENT": "paper"}
    values |= {f"TEST.{name}": value for name, value in views.items()}
    return values | {"DATA.APPLY_ROTATION": True}  # as players show them


def crop_values(crop: int) -> dict[str, Any]:
    """Crops of this side everywhere, from frames that are a little larger."""
    smallest = round(crop * JITTER)
    return {
        "DATA.TRAIN_CROP_SIZE": crop,
        "DATA.TEST_CROP_SIZE": crop,
        "DATA.TRAIN_JITTER_SCALES": [smallest, round(smallest * 1.25)],
    }


def _trained_with(weights: ModelSpec) -> Mapping[str, Any]:
    """The configuration that a checkpoint was trained with; empty if it has none."""
    text = weights.weights.about.get("cfg")
    return flat_values(text, source=weights.path) if isinstance(text, str) else {}


def _is_image_vit(weights: ModelSpec, attention: str) -> bool:
    """Whether the weights are of single images: neither their shapes nor their file tell of time."""
    has_settings = not any(note.startswith("no configuration") for note in weights.notes)
    has_settings = has_settings or weights.weights.format.endswith("TimeSformer")
    return attention == "space_only" and not has_settings


def clips_before(settings: Path, values: Mapping[str, Any]) -> dict[str, int]:
    """The key of the clip length of an earlier run of the same weights and videos, which resumes."""
    text = settings.read_text(encoding="utf-8") if settings.is_file() else "{}"
    before = flat_values(text, source=str(settings))
    start = "TRAIN.CHECKPOINT_FILE_PATH"
    if before.get(start) != values[start] or RATE not in before:
        return {}
    return {RATE: before[RATE]}


def head_pairs(opts: Sequence[str]) -> list[str]:
    """The pairs of ``opts`` that files without configuration may need: their shapes do not tell them."""
    pairs = zip(opts[::2], opts[1::2], strict=False)
    return [text for pair in pairs if pair[0] in UNTOLD for text in pair]


def settings_text(out: Path, values: Mapping[str, Any]) -> str:
    """The YAML of OUT/finetune.yaml, a configuration file of its own."""
    folders = {"DATA.PATH_TO_DATA_DIR": str(out / "lists"), "OUTPUT_DIR": str(out)}
    tree: dict[str, Any] = {}
    for key, value in sorted({**values, **folders}.items()):
        *sections, name = key.split(".")
        place = tree
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    return yaml.safe_dump(tree)
