"""The videos in which detections miss most: what a page draws beside the truth."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from timesformer.detection.comparison import Compared
from timesformer.detection.metrics import Columns, Matcher

TIOU = 0.5
MOST_VIDEOS = 20
MOST_SEGMENTS = 100  # of a video, on each side


def worst_videos(compared: Compared) -> list[dict[str, Any]]:
    """Videos by the share of annotations that are found, those with most misses first.

    As many of the highest detections of a video count as it has annotations, so that a detector that
    says everything finds little.
    """
    truth, found, durations = compared.within()
    names = [
        name for name, inside in zip(compared.videos, compared.in_subset, strict=True) if inside
    ]
    counts = np.bincount(truth.video, minlength=len(names))
    ranked = found.by_video()
    begins = np.searchsorted(ranked.video, np.arange(len(names) + 1))
    ranks = np.arange(len(ranked)) - begins[ranked.video]
    top = ranked.rows(np.flatnonzero(ranks < counts[ranked.video]))
    matcher = Matcher(truth, top, least=TIOU)
    matches = matcher.matches(TIOU)
    is_found = np.zeros(len(truth), bool)
    is_found[matches[matches >= 0]] = True
    hits = np.bincount(matcher.truth.video[is_found], minlength=len(names))
    missed = counts - hits
    order = np.lexsort((np.arange(len(names)), -missed, hits / np.maximum(counts, 1)))
    worst = [place for place in order.tolist() if missed[place]][:MOST_VIDEOS]
    return [
        {
            "video": names[place],
            "duration": float(durations[place]),
            "annotations": int(counts[place]),
            "found": int(hits[place]),
            "truth": _rows(matcher.truth, place, is_found, compared.labels),
            "detections": _rows(matcher.found, place, matches >= 0, compared.labels),
        }
        for place in worst
    ]


def _rows(
    part: Columns, video: int, is_right: np.ndarray, labels: Sequence[str]
) -> list[dict[str, Any]]:
    rows = np.flatnonzero(part.video == video)
    rows = rows[np.argsort(part.times[rows, 0], kind="stable")][:MOST_SEGMENTS]
    return [
        {
            "label": labels[part.label[row]],
            "start": float(part.times[row, 0]),
            "end": float(part.times[row, 1]),
            "score": float(part.scores[row]),
            "right": bool(is_right[row]),
        }
        for row in rows
    ]
