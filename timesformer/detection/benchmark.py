"""What detection in a film costs, beside the naive way: cut out every window, and predict it.

naive    ``predict`` of a list with a row for each window
detect   all windows from one decode
reading  the same without a model: decode, scale, crop
decode   a plain decode of the film by as many threads, nothing converted
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from timesformer.datasets.lists import PackedStrings, VideoList
from timesformer.detection.detector import Detector
from timesformer.tables import format_table
from timesformer.video.open_video import decode_whole


class Costs(NamedTuple):
    """Medians over rounds in seconds, and counts."""

    naive: float
    detect: float
    reading: float
    decode: float
    windows: int
    decoded: int  # frames, by ``detect``
    frames: int  # of the film


def measure(detector: Detector, video: str, *, repeats: int) -> Costs:
    """Costs of one film, the four taking turns.

    Raises:
        VideoError: it cannot be read.
    """
    timeline = detector.run(video)
    windows, count = timeline.windows, len(timeline.windows)
    labels = np.zeros(count, np.int64)
    rows = VideoList(PackedStrings([video] * count), labels, "all windows", (), windows)
    whole, _ = decode_whole(video, lambda _, __: None, multi_thread=True)
    ways: tuple[Callable[[], object], ...] = (
        partial(detector.predictor.predict, rows),
        partial(detector.run, video),
        lambda: detector.visit(video, detector.makers(lambda _: None)),
        partial(decode_whole, video, lambda _, __: None, multi_thread=True),
    )
    rounds = [[timed(way) for way in ways] for _ in range(repeats)]
    naive, detect, reading, decode = map(statistics.median, zip(*rounds, strict=True))
    return Costs(naive, detect, reading, decode, count, timeline.decoded, len(whole.pts))


def timed(call: Callable[[], object]) -> float:
    """Seconds of a call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def format_costs(costs: Costs) -> str:
    """The table, and how the rows compare."""
    rows = [("", "seconds")]
    rows += [(name, f"{getattr(costs, name):.3f}") for name in Costs._fields[:4]]
    return (
        f"{format_table(rows, right={1})}\n\n"
        f"naive / detect {costs.naive / costs.detect:.2f}, reading / decode "
        f"{costs.reading / costs.decode:.2f}, {costs.windows} windows, {costs.decoded} frames decoded of "
        f"{costs.frames}"
    )
