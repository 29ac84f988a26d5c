"""Videos whose whole picture moves by a known vector."""

import cv2
import numpy as np

from tests.conftest import write_video


def texture(height, width, seed=0):
    """(height, width, 3) uint8, soft noise that every method can follow."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return ((soft - soft.min()) / (soft.max() - soft.min()) * 255).astype(np.uint8)


def shifted(count, shift, *, height=96, width=128):
    """``count`` frames; what is at (x, y) in one is at (x + shift[0], y + shift[1]) in the next."""
    right, down = shift
    margin = count * max(abs(right), abs(down))
    big = texture(height + 2 * margin, width + 2 * margin)
    return [
        big[margin - t * down :, margin - t * right :][:height, :width].copy() for t in range(count)
    ]


def moving_video(path, count, shift, **size):
    """An almost lossless video of ``shifted`` frames."""
    return write_video(path, shifted(count, shift, **size), options={"crf": "10", "g": "10"})
