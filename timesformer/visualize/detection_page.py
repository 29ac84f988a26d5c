"""A long video as a page: it plays, its segments lie on a time line under it, a click jumps to them."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import NamedTuple
from urllib.parse import quote

import numpy as np

from timesformer.visualize.lanes import ticks
from timesformer.visualize.page import render_page
from timesformer.visualize.timeline_figure import shown_classes

WIDTH = 1000  # of the time line, which is stretched to its place
CURVES_HEIGHT, LANE_HEIGHT = 130, 24  # pixels
MOST_POINTS = 600  # of a curve: more are joined by their maximum
COLOURS = ("#3b82c4", "#e07b39", "#4a9d5b", "#c9484e", "#8f6bb8", "#9a7159", "#d277b4", "#7f8790")
_IN_SECONDS = ("span", "stride", "min_on", "min_off", "pad")


class Shown(NamedTuple):
    """A segment, in seconds."""

    label: str
    start: float
    end: float
    score: float


def render_detection(
    name: str,
    times: np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    segments: Sequence[Shown],
    *,
    duration: float,
    film: str | None,
    gaps: Sequence[Mapping[str, object]] = (),
    facts: Mapping[str, object],
) -> str:
    """The page of one video.

    Args:
        name: of the video without suffix, and of the files beside the page.
        times: (W,) middles of the windows in seconds.
        probabilities: (W, K); nan is left out.
        class_names: K.
        segments: in the order of time.
        duration: seconds.
        film: path of the video from the folder of the page; None: it is not a local file.
        gaps: start, end and reason of parts that cannot be seen.
        facts: how the segments were found.
    """
    shown = shown_classes(probabilities, class_names, [row.label for row in segments])
    lanes = [
        {
            "name": class_names[k],
            "colour": COLOURS[i % len(COLOURS)],
            "points": _points(times, probabilities[:, k], duration),
            "segments": [row for row in segments if row.label == class_names[k]],
        }
        for i, k in enumerate(shown)
    ]
    return render_page(
        "detection.html",
        title=f"Actions in {name}",
        name=quote(name),
        segments=segments,
        lanes=lanes,
        duration=duration,
        film=None if film is None else quote(film),
        film_name="" if film is None else PurePath(film).name,
        gaps=gaps,
        facts={name.replace("_", "-"): _fact(name, value) for name, value in facts.items()},
        width=WIDTH,
        curves_height=CURVES_HEIGHT,
        lane_height=LANE_HEIGHT,
        ticks=ticks(duration),
    )


def _points(times: np.ndarray, values: np.ndarray, duration: float) -> str:
    """A curve as ``x,y x,y``; where there are many windows, the maximum of several."""
    seen = np.isfinite(values)
    parts = np.array_split(np.flatnonzero(seen), min(MOST_POINTS, max(int(seen.sum()), 1)))
    foot, height = CURVES_HEIGHT - 12.5, CURVES_HEIGHT - 20
    return " ".join(
        f"{WIDTH * times[part].mean() / duration:.1f},{foot - height * values[part].max():.1f}"
        for part in parts
        if len(part)
    )


def _fact(name: str, value: object) -> str:
    """``2.133 s`` for what is in seconds; ``none`` for nothing."""
    text = f"{value:.4g}" if isinstance(value, float) else "none" if value is None else str(value)
    return f"{text} s" if name in _IN_SECONDS else text
