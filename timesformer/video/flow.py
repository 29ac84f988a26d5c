"""Optical flow between two frames: how it is computed, and its form as bytes.

image  (H, W, 3)  uint8 RGB
flow   (H, W, 2)  float32 pixels (u, v): what is at (x, y) in the first frame is at (x + u, y + v) in the
                  second; x counts to the right and y downwards, as in OpenCV
field  (H, W, 2)  uint8, the same: 128 stands for no motion, and a step is 2 * bound / 255 pixels

Published flow (denseflow, mmaction2) is as many steps on the same range, with its mean taken for 128; its
values are half a step lower, so that no motion is between two of them.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np

from timesformer.errors import InputError
from timesformer.tables import choose
from timesformer.video.raft import raft_small

ZERO = 128  # of a field: what stands for no motion
STEPS = 255  # of a field, from -bound to bound
LEAST_SIDE = 16  # pixels; frames of fewer are padded with their border for the computation

_FARNEBACK = {  # of OpenCV's examples
    "pyr_scale": 0.5,
    "levels": 3,
    "winsize": 15,
    "iterations": 3,
    "poly_n": 5,
    "poly_sigma": 1.2,
    "flags": 0,
}


class FlowError(InputError, ValueError):
    """Flow that cannot be computed or read here; the message says what to install or to run."""


class FlowSettings(NamedTuple):
    """What decides the values of a field."""

    method: str  # of ``METHODS``
    bound: float  # pixels
    short_side: int  # pixels, at most, of the frames between which flow is computed
    apply_rotation: bool = False  # whether these frames are turned as a player would


class Estimator(NamedTuple):
    """A method: each frame is prepared once, and is the second and the first of a pair."""

    prepare: Callable[[np.ndarray], Any]  # image -> what ``between`` takes
    between: Callable[[Any, Any], np.ndarray]  # flow from one to the other


class FieldMaker:
    """Fields between images by one method; not for several threads at once."""

    def __init__(self, settings: FlowSettings, *, weights: str = "") -> None:
        """``weights``: file of a method that is a network.

        Raises:
            FlowError: the method needs a package that is not here.
            RaftWeightsError: the weights of raft_small are missing, or are others.
        """
        self.settings = settings
        self.estimator = choose(METHODS, settings.method, key="the method of optical flow")(weights)

    def prepare(self, image: np.ndarray) -> Any:
        """``image``, scaled down and as the method takes it."""
        return self.estimator.prepare(shrink(image, self.settings.short_side))

    def between(self, first: Any, second: Any) -> np.ndarray:
        """The field from one prepared frame to another."""
        return quantize(self.estimator.between(first, second), self.settings.bound)


def shrink(image: np.ndarray, short_side: int) -> np.ndarray:
    """An image whose short side is at most ``short_side``; never larger than ``image``."""
    height, width = image.shape[:2]
    factor = short_side / min(height, width)
    if factor >= 1:
        return image
    size = (round(width * factor), round(height * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def quantize(flow: np.ndarray, bound: float) -> np.ndarray:
    """Flow as a field; what is beyond ``bound`` is cut to it."""
    steps = np.rint(flow * (STEPS / (2 * bound))) + ZERO
    return steps.clip(0, STEPS).astype(np.uint8)


def pixels(field: np.ndarray, bound: float) -> np.ndarray:
    """The motion of a field in pixels, float32; within half a step of the flow."""
    return (field.astype(np.float32) - ZERO) * np.float32(2 * bound / STEPS)


def _grey(image: np.ndarray) -> np.ndarray:
    """(H, W) uint8, padded to ``LEAST_SIDE`` at the right and at the bottom."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    below, right = (max(LEAST_SIDE - side, 0) for side in grey.shape)
    if below or right:
        grey = cv2.copyMakeBorder(grey, 0, below, 0, right, cv2.BORDER_REPLICATE)
    return grey


def _of_opencv(between: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Estimator:
    """``between`` of two grey images, which may be padded ones."""

    def prepare(image: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
        return _grey(image), image.shape[:2]

    def cut(first: Any, second: Any) -> np.ndarray:
        (one, (height, width)), (two, _) = first, second
        return between(one, two)[:height, :width]

    return Estimator(prepare, cut)


def _one_each_size(create: Callable[[], Any]) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Flow by an object of OpenCV for each size of images.

    One object for images of several sizes would give other flow after the first change: its buffers keep
    values of the sizes before.
    """
    made = functools.cache(lambda size: create())

    def between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        flow: np.ndarray = made(first.shape).calc(first, second, None)
        return flow

    return between


def _dis(weights: str) -> Estimator:
    """Dense inverse search (Kroeger et al., 2016), the preset of medium quality."""
    return _of_opencv(
        _one_each_size(lambda: cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM))
    )


def _farneback(weights: str) -> Estimator:
    method: Any = cv2.calcOpticalFlowFarneback
    return _of_opencv(lambda first, second: method(first, second, None, **_FARNEBACK))


def _tvl1(weights: str) -> Estimator:
    """TV-L1 (Zach et al., 2007), which published two-stream models were trained with."""
    if not hasattr(cv2, "optflow"):
        raise FlowError(
            "optical flow tvl1 is in the contributed modules of OpenCV, which are not installed; run: "
            "pip uninstall opencv-python-headless && pip install opencv-contrib-python-headless, or "
            "use the method dis"
        )
    return _of_opencv(_one_each_size(cv2.optflow.DualTVL1OpticalFlow_create))


def _raft_small(weights: str) -> Estimator:
    """RAFT (Teed and Deng, 2020), the small network of torchvision."""
    return Estimator(lambda image: image, raft_small(weights))


METHODS: dict[str, Callable[[str], Estimator]] = {  # name -> from a file of weights to the method
    "dis": _dis,
    "farneback": _farneback,
    "tvl1": _tvl1,
    "raft_small": _raft_small,
}
