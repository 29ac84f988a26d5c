"""The finest settings whose windows are known within a given time, on this machine.

Of the settings that fit, windows at most half a window apart come first, then fp32, then three crops, then
the smallest stride: a coarser grid loses short actions, the others change scores a little.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch

from timesformer.config import CfgNode
from timesformer.detection.detector import Detector
from timesformer.detection.frames import Clip
from timesformer.errors import InputError
from timesformer.inference.predictor import Predictor

STRIDES = (1 / 8, 1 / 4, 1 / 2, 1)  # of a window
CROPS = (3, 1)
HEADROOM = 0.8  # of the time between two windows that computing one may take
REPEATS = 5
_TIME = re.compile(r"([0-9]+(?:\.[0-9]*)?)(ms|s)")


class BudgetError(InputError, ValueError):
    """A time that is none, or that nothing here keeps."""


class Cost(NamedTuple):
    """What one window costs."""

    precision: str
    crops: int
    seconds: float


class Choice(NamedTuple):
    """Settings of a watch; ``stride`` in seconds."""

    cost: Cost
    stride: float


def parse_budget(text: str) -> float:
    """Seconds of ``200ms`` or ``0.2s``.

    Raises:
        BudgetError: another text, or no time at all.
    """
    match = _TIME.fullmatch(text)
    if not match or not float(match[1]):
        raise BudgetError(f"--budget is {text!r}; write a time as 200ms or 1.5s")
    return float(match[1]) / (1000 if match[2] == "ms" else 1)


def measure(predictor: Predictor, *, crops: int) -> float:
    """Seconds that a window takes: the slowest of some, after a first one."""
    detector = Detector(predictor, crops=crops)
    clip = build_black_clip(predictor.cfg, crops=crops)
    took = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        detector.score([clip])
        took.append(time.perf_counter() - began)
    return max(took[1:])


def build_black_clip(cfg: CfgNode, *, crops: int) -> Clip:
    """A window of the size that the model takes."""
    size = cfg.DATA.TEST_CROP_SIZE
    shape = (crops, 3, cfg.DATA.NUM_FRAMES, size, size)
    return Clip(0, torch.zeros(shape, dtype=torch.uint8))


def choose(costs: Iterable[Cost], *, span: float, budget: float) -> Choice:
    """The finest settings; ``costs`` come in falling order of quality, later ones only if they are needed.

    Args:
        costs: measured.
        span: seconds of a window.
        budget: seconds from a window being complete to its scores.

    Raises:
        BudgetError: nothing is fast enough.
    """
    known: list[Cost] = []
    coarse: list[Choice] = []
    for cost in costs:
        known.append(cost)
        stride = _finest(cost, span=span, budget=budget)
        if stride is None:
            continue
        if stride <= span / 2:
            return Choice(cost, stride)
        coarse.append(Choice(cost, stride))
    if coarse:
        return coarse[0]
    fastest = min(known, key=lambda cost: cost.seconds)
    raise BudgetError(
        f"--budget is {1000 * budget:.0f}ms, but a window takes {1000 * fastest.seconds:.0f} ms here at "
        f"best ({fastest.precision}, {fastest.crops} crop), and must take less than {HEADROOM:.0%} of a "
        f"window of {span:.2f} s; allow more, or use a smaller model or a GPU"
    )


def measured(
    open_predictor: Callable[[str], Predictor], precisions: Iterable[str]
) -> Iterator[Cost]:
    """The costs of all settings, measured as they are asked for."""
    for precision in precisions:
        predictor = open_predictor(precision)
        for crops in CROPS:
            yield Cost(precision, crops, measure(predictor, crops=crops))


def _finest(cost: Cost, *, span: float, budget: float) -> float | None:
    """The smallest stride at which the model keeps up; None: none, or a window alone takes too long."""
    if cost.seconds > budget:
        return None
    strides = (part * span for part in STRIDES)
    return next((stride for stride in strides if cost.seconds <= HEADROOM * stride), None)
