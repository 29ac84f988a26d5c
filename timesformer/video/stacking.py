"""Decoded frames as one array, and whether memory holds them."""

from collections.abc import Iterator

import cv2
import numpy as np
import psutil

GIB = 1 << 30


def require_memory(count: int, width: int, height: int) -> None:
    """Return if ``count`` frames fit into free memory, as RGB.

    Raises:
        MemoryError: they do not; the message says how to make them smaller.
    """
    needed = 2 * count * width * height * 3  # each by itself, then all as one array
    free = psutil.virtual_memory().available
    if needed > free:
        raise MemoryError(
            f"{count} frames of {width} x {height} pixels need {needed / GIB:.1f} GiB, and "
            f"{free / GIB:.1f} are free; make it smaller: tools/prepare_data.py --resize 256"
        )


def stack(count: int, images: Iterator[np.ndarray]) -> np.ndarray:
    """``count`` images as one array, in the size of the first: a stream may change its size midway."""
    first = next(images)
    stacked = np.empty((count, *first.shape), np.uint8)
    stacked[0] = first
    for i, image in enumerate(images, start=1):  # each is freed at once
        stacked[i] = _same_size(image, *first.shape[:2])
    return stacked


def _same_size(image: np.ndarray, height: int, width: int) -> np.ndarray:
    if image.shape[:2] == (height, width):
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
