"""How many clips of a video a prediction looks at: what users write, and what memory holds."""

import re

import psutil

from timesformer.config import ConfigError

GIB = 1 << 30


def view_overrides(views: str) -> list[str]:
    """Config keys and values of ``10x3``.

    Raises:
        ConfigError: it is something else.
    """
    match = re.fullmatch(r"(\d+)x(\d+)", views.strip().lower())
    if not match:
        raise ConfigError(
            f"views are {views!r}, but must be temporal views x crops of each, as 10x3 or 1x1"
        )
    return ["TEST.NUM_ENSEMBLE_VIEWS", match[1], "TEST.NUM_SPATIAL_CROPS", match[2]]


def refuse_too_many(num_clips: int, *, num_frames: int, size: int) -> None:
    """Before anything is decoded: all clips of one video, of ``size`` pixels, are in memory at once.

    Raises:
        ConfigError: they need more than is free.
    """
    needed = num_clips * num_frames * size**2 * 3  # uint8
    available = psutil.virtual_memory().available
    if needed > available:
        raise ConfigError(
            f"the clips of one video need {needed / GIB:.1f} GiB ({num_clips} of {num_frames} frames of "
            f"{size} x {size}), but {available / GIB:.1f} GiB are free; lower TEST.NUM_ENSEMBLE_VIEWS"
        )
