"""What a scan knows of a video, and the small pictures that stand for it."""

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np

PICTURES_AT = (0.25, 0.5, 0.75)  # of the frames, where ``picture`` looks
ROWS, COLUMNS = 8, 9  # of the cells of a picture

UNREADABLE = "unreadable"
NO_FRAMES = "zero frames"
TRUNCATED = "truncated"
DAMAGED = "damaged"


class VideoInfo(NamedTuple):
    """What a scan found; ``problem`` is empty, or a kind that ``detail`` explains."""

    frames: int = 0  # that the decoder really gives
    header_frames: int = 0  # that the header claims; 0: no claim
    fps: float = 0.0
    duration_seconds: float = 0.0  # from the first frame to the end of the last one
    width: int = 0
    height: int = 0
    codec: str = ""
    problem: str = ""
    detail: str = ""
    content: str = ""  # blake2b of the bytes
    picture: str = ""  # what is seen, see ``picture``
    remarks: str = ""  # ``kind: detail; ...``: what is unusual, though no problem


def places(count: int, fractions: tuple[float, ...]) -> list[int]:
    """The places at these fractions of ``count`` frames."""
    return [int(fraction * count) for fraction in fractions]


def picture(images: Iterable[np.ndarray]) -> str:
    """What is seen in gray images (H, W): ROWS x COLUMNS mean brightnesses each, as hex, in order.

    Re-encoding and scaling change them by a few of 255 levels; other motion changes some by many.
    """
    small = [cv2.resize(image, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA) for image in images]
    return "".join(image.tobytes().hex() for image in small)
