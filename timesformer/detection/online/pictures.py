"""Some pictures of a stream as small JPEG files, for a page."""

import time
from collections.abc import Callable

import cv2
import numpy as np

A_SECOND = 5
WIDTH = 640
QUALITY = 75


class Pictures:
    """Called with every picture; gives some of them each second to ``show``, encoded."""

    def __init__(self, show: Callable[[bytes], None]) -> None:
        self._show = show
        self._next = 0.0

    def __call__(self, image: np.ndarray) -> None:
        """Take a picture (H, W, 3) uint8 RGB."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + 1 / A_SECOND
        height, width = image.shape[:2]
        if width > WIDTH:
            size = WIDTH, max(round(height * WIDTH / width), 1)
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        self._show(encoded.tobytes())
