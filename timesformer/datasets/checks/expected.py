"""What a check expects of the lists and videos: by options, else by a configuration."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

from timesformer.config import CfgNode
from timesformer.datasets.checks.problems import Shortest
from timesformer.datasets.durations import build_clip_shape
from timesformer.video.sampling import ClipShape


class Expected(NamedTuple):
    """How lists are read, which labels there are, and how long a video has to be."""

    prefix: str  # folder of the videos
    separator: str  # between path and label
    num_classes: int | None
    shortest: Shortest
    reports: Path | None  # a folder for reports if that of the list is read-only


def build_expected(
    cfg: CfgNode | None,
    *,
    prefix: str,
    separator: str,
    num_classes: int | None,
    min_frames: int | None,
) -> Expected:
    """Options that are empty or None are those of ``cfg``."""
    num_frames, shape = min_frames or 1, None
    if cfg and min_frames is None:
        num_frames, shape = cfg.DATA.NUM_FRAMES, build_clip_shape(cfg)
    shortest = partial(_frames_of_clip, shape, num_frames)
    return Expected(
        prefix or (cfg.DATA.PATH_PREFIX if cfg else ""),
        separator or (cfg.DATA.PATH_LABEL_SEPARATOR if cfg else " "),
        num_classes or (cfg.MODEL.NUM_CLASSES if cfg else None),
        shortest,
        Path(cfg.OUTPUT_DIR) / "check" if cfg else None,
    )


def _frames_of_clip(shape: ClipShape | None, num_frames: int, fps: float) -> int:
    """The frames that a clip of a video spans; ``num_frames`` if its length is any."""
    return int(shape.span(fps)) if shape else num_frames
