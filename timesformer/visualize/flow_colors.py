"""Optical flow as colours: the direction is the hue, and the speed is its strength.

White does not move. To the right is red, down yellow green, to the left cyan, and up violet.
"""

import numpy as np
from matplotlib.colors import hsv_to_rgb

LEGEND = "right red, down green, left cyan, up violet, still white"


def flow_colors(flow: np.ndarray, *, full: float) -> np.ndarray:
    """Motion (..., 2), x and y, as RGB (..., 3) uint8; from the speed ``full`` on colours are full."""
    hue = np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) % 1
    strength = np.hypot(flow[..., 0], flow[..., 1]) / full
    colors = hsv_to_rgb(np.stack([hue, strength.clip(0, 1), np.ones_like(hue)], axis=-1))
    image: np.ndarray = np.rint(255 * colors).astype(np.uint8)
    return image


def full_speed(flow: np.ndarray, *, least: float = 1.0) -> float:
    """The speed that gets full colours: that of the fastest hundredth, but ``least`` at least."""
    return max(float(np.percentile(np.hypot(flow[..., 0], flow[..., 1]), 99)), least)
