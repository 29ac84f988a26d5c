"""What a checkpoint says of itself besides its weights: classes, preprocessing, data, versions."""

import hashlib
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from timesformer import __version__
from timesformer.config import CfgNode, ConfigError
from timesformer.datasets.lists import VideoList


def build_metadata(
    cfg: CfgNode, lists: Mapping[str, VideoList], argv: Sequence[str] | None = None
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
        "preprocessing": preprocessing_of(cfg),
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


def preprocessing_of(cfg: CfgNode) -> dict[str, Any]:
    """How a video becomes clips and clips become scores in testing.

    ``sampling`` is ``dense`` (frames at a rate) or ``segments`` (one frame of each of T parts, SSv2);
    sizes are in pixels; ``mean`` and ``std`` are of R, G and B in 0 .. 1, before any reversal of
    the channels.
    """
    segments = cfg.TEST.DATASET == "ssv2"
    to_crop = segments or cfg.TEST.NUM_SPATIAL_CROPS > 1
    return {
        "sampling": "segments" if segments else "dense",
        "num_frames": cfg.DATA.NUM_FRAMES,
        "sampling_rate": cfg.DATA.SAMPLING_RATE,
        "target_fps": cfg.DATA.TARGET_FPS,
        "short_side": cfg.DATA.TEST_CROP_SIZE if to_crop else cfg.DATA.TRAIN_JITTER_SCALES[0],
        "crop_size": cfg.DATA.TEST_CROP_SIZE,
        "mean": list(cfg.DATA.MEAN),
        "std": list(cfg.DATA.STD),
        "reverse_input_channel": cfg.DATA.REVERSE_INPUT_CHANNEL,
        "num_temporal_views": cfg.TEST.NUM_ENSEMBLE_VIEWS,
        "num_spatial_crops": cfg.TEST.NUM_SPATIAL_CROPS,
        "view_placement": cfg.TEST.VIEW_PLACEMENT,
        "ensemble_method": cfg.DATA.ENSEMBLE_METHOD,
        "apply_rotation": cfg.DATA.APPLY_ROTATION,
    }


def fingerprint(videos: VideoList) -> dict[str, Any]:
    """Which list it was: its file, the SHA-256 of that file's bytes, and its number of videos."""
    digest = hashlib.sha256(Path(videos.origin).read_bytes()).hexdigest()
    return {"list": str(videos.origin), "sha256": digest, "videos": len(videos.labels)}


def versions() -> dict[str, str]:
    """Of what computed the weights."""
    return {
        "timesformer": __version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }
