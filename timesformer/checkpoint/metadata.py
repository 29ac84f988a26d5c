"""What a checkpoint says of itself besides its weights, written and read: classes, preprocessing, data."""

import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from timesformer import __version__
from timesformer.checkpoint.files import CheckpointError
from timesformer.checkpoint.formats import Weights
from timesformer.checkpoint.payload import wrong_entries
from timesformer.checkpoint.start import sha256
from timesformer.config import CfgNode, ConfigError
from timesformer.config.strict_yaml import read_yaml
from timesformer.config.tree import value_of
from timesformer.io.terminal import printable
from timesformer.models import is_other

if TYPE_CHECKING:
    from timesformer.datasets.lists import VideoList

PREPROCESSING = {  # entry -> key of the configuration
    "num_frames": "DATA.NUM_FRAMES",
    "sampling_rate": "DATA.SAMPLING_RATE",
    "target_fps": "DATA.TARGET_FPS",
    "crop_size": "DATA.TEST_CROP_SIZE",
    "mean": "DATA.MEAN",
    "std": "DATA.STD",
    "reverse_input_channel": "DATA.REVERSE_INPUT_CHANNEL",
    "num_temporal_views": "TEST.NUM_ENSEMBLE_VIEWS",
    "num_spatial_crops": "TEST.NUM_SPATIAL_CROPS",
    "view_placement": "TEST.VIEW_PLACEMENT",
    "ensemble_method": "DATA.ENSEMBLE_METHOD",
    "apply_rotation": "DATA.APPLY_ROTATION",
}
DATASETS = {"dense": "kinetics", "segments": "ssv2"}  # sampling -> TEST.DATASET
LONGEST_SIDE = 320  # of the recipes of 224 pixels, to which short sides are jittered
TEMPERATURE = "temperature"
_READ = ("cfg", "epoch", "preprocessing", "data", "versions", "command", "position", "best",
         TEMPERATURE)  # fmt: skip


class Temperature(NamedTuple):
    """What logits are divided by before they become probabilities, and what it was fitted to.

    They are never those of the test. A temperature changes no score and no likeliest class.
    """

    value: float
    list: str  # name of the file of predictions
    sha256: str  # of its bytes
    videos: int  # that it was fitted to

    def __str__(self) -> str:
        fitted = f"fitted to {self.videos} videos of {printable(self.list)}"
        return f"temperature {self.value:.6g}, {fitted}"


def read_temperature(about: Mapping[str, Any]) -> Temperature | None:
    """The one among what a file says of itself; None: it says none."""
    found = about.get(TEMPERATURE)
    if found is None:
        return None
    return Temperature(float(found["value"]), found["list"], found["sha256"], int(found["videos"]))


def build_metadata(
    cfg: CfgNode, lists: "Mapping[str, VideoList]", argv: Sequence[str] | None = None
) -> dict[str, Any]:
    """The descriptive entries of a checkpoint: plain text, numbers and lists, safe to load.

    ``class_names`` (if the data have them), ``preprocessing``, ``data``, ``versions``, ``command``.

    Args:
        cfg: the resolved configuration.
        lists: the video lists by split; the names of the classes are those of the first.
        argv: the command; default: that of this process.

    Raises:
        ConfigError: there are not MODEL.NUM_CLASSES names.
    """
    names = next((videos.class_names for videos in lists.values()), ())
    check_names(names, cfg.MODEL.NUM_CLASSES, source="the video lists")
    return ({"class_names": list(names)} if names else {}) | {
        "preprocessing": build_preprocessing(cfg),
        "data": {split: fingerprint(videos) for split, videos in lists.items()},
        "versions": versions(),
        "command": shlex.join(sys.argv if argv is None else argv),
    }


def check_names(names: Sequence[str], num_classes: int, *, source: str) -> None:
    """Raise ConfigError if there are names, but not one for each class."""
    if names and len(names) != num_classes:
        raise ConfigError(
            f"{source} name {len(names)} classes, but MODEL.NUM_CLASSES is {num_classes}; label k is "
            "name k, so the two must agree"
        )


def build_preprocessing(cfg: CfgNode) -> dict[str, Any]:
    """How a video becomes clips and clips become scores in testing.

    ``sampling`` is ``dense`` (frames at a rate) or ``segments`` (one frame of each of T parts, SSv2);
    sizes are in pixels; ``mean`` and ``std`` are of R, G and B in 0 .. 1, before any reversal of
    the channels.
    """
    segments = cfg.TEST.DATASET == "ssv2"
    to_crop = segments or cfg.TEST.NUM_SPATIAL_CROPS > 1
    found = {
        "sampling": "segments" if segments else "dense",
        "short_side": cfg.DATA.TEST_CROP_SIZE if to_crop else cfg.DATA.TRAIN_JITTER_SCALES[0],
    }
    for name, key in PREPROCESSING.items():
        value = value_of(cfg, key)
        found[name] = list(value) if isinstance(value, tuple | list) else value
    return found


def read_preprocessing(found: Mapping[str, Any], *, source: str) -> dict[str, Any]:
    """Keys and values of a configuration, of what ``build_preprocessing`` found.

    Raises:
        CheckpointError: a sampling that this version does not know.
    """
    values = {key: found[name] for name, key in PREPROCESSING.items() if name in found}
    sampling = found.get("sampling", "dense")
    if sampling not in DATASETS:
        raise CheckpointError(
            f"{source}: its preprocessing has the sampling {sampling!r}, and this version knows "
            f"{' and '.join(DATASETS)}; give its settings with --cfg"
        )
    values["TEST.DATASET"] = DATASETS[sampling]
    if isinstance(side := found.get("short_side"), int):
        values["DATA.TRAIN_JITTER_SCALES"] = [side, max(side, LONGEST_SIDE)]
    return values


def fingerprint(videos: "VideoList") -> dict[str, Any]:
    """Which list it was: its file, the SHA-256 of that file's bytes, and its number of videos."""
    digest = sha256(Path(videos.origin))
    return {"list": str(videos.origin), "sha256": digest, "videos": len(videos.labels)}


def versions() -> dict[str, str]:
    """Of what computed the weights."""
    return {
        "timesformer": __version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }


def read_metadata(weights: Weights, payload: Any, path: str | Path) -> None:
    """Add to ``weights`` what a checkpoint of ours, of the published code or of mmaction2 says of itself.

    An entry of another program may have our name and another content: it is left out, and named. The
    configuration of a checkpoint of ours must be readable.
    """
    if not isinstance(payload, Mapping):
        return
    said = {key: payload[key] for key in _READ if key in payload}
    for key, wrong in wrong_entries(said).items():
        weights.notes.append(f"its entry {key} {wrong}, and was left out")
        del said[key]
    weights.about |= said
    if "model_state" not in payload and "cfg" in said and not _is_config(said["cfg"]):
        del weights.about["cfg"]  # of another program
    meta = _mapping(payload.get("meta"))
    for names in (payload.get("class_names"), _mapping(meta.get("dataset_meta")).get("classes"),
                  meta.get("CLASSES")):  # fmt: skip
        if isinstance(names, list | tuple) and not weights.class_names:
            weights.class_names = tuple(str(name) for name in names)
    if isinstance(meta.get("epoch"), int):
        weights.about.setdefault("epoch", meta["epoch"])
    if "cfg" in payload and weights.format == "image ViT":
        weights.format = "TimeSformer"
    sections = _sections(weights.about.get("cfg"), path)
    if weights.format == "unknown":
        weights.format = str(_mapping(sections.get("MODEL")).get("MODEL_NAME", weights.format))
    sizes = _mapping(sections.get("TIMESFORMER"))
    heads, eps = sizes.get("NUM_HEADS"), sizes.get("NORM_EPS")
    weights.num_heads = heads if isinstance(heads, int) and heads > 0 else None
    weights.norm_eps = float(eps) if isinstance(eps, int | float) and eps > 0 else weights.norm_eps


def names_other_model(payload: Any) -> bool:
    """Whether a checkpoint names a model of the table that is not a TimeSformer."""
    said = payload.get("cfg") if isinstance(payload, Mapping) else None
    if not isinstance(said, str):
        return False
    try:
        name = _mapping(_mapping(read_yaml(said, source="cfg")).get("MODEL")).get("MODEL_NAME")
    except ConfigError:
        return False
    return isinstance(name, str) and is_other(name)


def _is_config(text: str) -> bool:
    try:
        return isinstance(read_yaml(text, source="cfg"), dict)
    except ConfigError:
        return False


def _sections(text: str | None, path: str | Path) -> Mapping[str, Any]:
    """The sections of a configuration.

    Raises:
        CheckpointError: it cannot be read.
    """
    if text is None:
        return {}
    try:
        tree = read_yaml(text, source=f"{path}: its cfg")
    except ConfigError as error:
        raise CheckpointError(str(error)) from error
    return _mapping(tree)


def _mapping(value: Any) -> Mapping[str, Any]:
    """``value`` if it is a dictionary, else an empty one."""
    return value if isinstance(value, Mapping) else {}
