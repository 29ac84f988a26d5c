"""Inspect one folder of frames, as ``inspection`` does a video file."""

import hashlib
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from timesformer.datasets.checks.video_info import (
    DAMAGED,
    PICTURES_AT,
    UNREADABLE,
    VideoInfo,
    picture,
    places,
)
from timesformer.datasets.folders import frame_files


def inspect_folder(folder: str) -> VideoInfo:
    """What is found in all images of ``folder``; there is no frame rate, and no header.

    Raises:
        ValueError: there are no images.
        OSError: one cannot be read.
    """
    files = frame_files(folder)
    digest = hashlib.blake2b(digest_size=16)
    looked_at = places(len(files), PICTURES_AT)
    gray, sizes, broken = [], Counter[tuple[int, int]](), []
    for i, file in enumerate(files):
        data = Path(file).read_bytes()
        digest.update(data)
        image = _decode(data, cv2.IMREAD_GRAYSCALE)
        if image is None:
            broken.append(file)
            continue
        sizes[image.shape[1], image.shape[0]] += 1
        if i in looked_at:
            gray.append(image)
    width, height = sizes.most_common(1)[0][0] if sizes else (0, 0)
    problem, detail = _judge(len(files), broken, sorted(sizes))
    return VideoInfo(
        frames=len(files) - len(broken),
        width=width,
        height=height,
        codec="images",
        problem=problem,
        detail=detail,
        content=digest.hexdigest(),
        picture=picture(gray) if len(gray) == len(PICTURES_AT) else "",
    )


def _decode(data: bytes, flags: int) -> np.ndarray | None:
    """None for a file that is not an image."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None


def _judge(count: int, broken: list[str], sizes: list[tuple[int, int]]) -> tuple[str, str]:
    if broken:
        kind = DAMAGED if len(broken) < count else UNREADABLE
        return kind, f"{len(broken)} of {count} frames are no images, the first: {broken[0]}"
    if len(sizes) > 1:
        return DAMAGED, f"its frames differ in size: {', '.join(f'{w} x {h}' for w, h in sizes)}"
    return "", ""
