"""The videos in which actions are found late or never, with their scores over time, for the page."""

from typing import Any

import numpy as np

from timesformer.detection.online_evaluation.alarms import Rises
from timesformer.detection.online_evaluation.pairs import Pairs

MOST_VIDEOS = 10
MOST_CLASSES = 4  # of a video: those with most actions that are missed, then late
MOST_POINTS = 300  # of a curve, each the highest score of its part of the time
MOST_ACTIONS = 100  # of a class


def slowest_videos(pairs: Pairs, rises: Rises, threshold: float) -> list[dict[str, Any]]:
    """Videos by the share of actions that are found at ``threshold``, then by the mean time to it."""
    delays = np.full(len(pairs.actions), np.nan)
    found, seconds = rises.found(threshold)
    delays[found] = seconds
    order = sorted(range(len(pairs.streams)), key=lambda video: _rank(pairs, delays, video))
    return [
        _shown(pairs, delays, video)
        for video in order[:MOST_VIDEOS]
        if len(pairs.actions_of(video))
    ]


def _rank(pairs: Pairs, delays: np.ndarray, video: int) -> tuple[float, float, str]:
    mine = delays[pairs.actions_of(video)]
    found = mine[~np.isnan(mine)]
    share = len(found) / max(len(mine), 1)
    return share, -float(found.mean()) if len(found) else 0.0, pairs.streams[video].video


def _shown(pairs: Pairs, delays: np.ndarray, video: int) -> dict[str, Any]:
    stream, end = pairs.streams[video], float(pairs.durations[video])
    places = pairs.actions_of(video)
    labels = pairs.actions.label[places]
    late = np.where(np.isnan(delays[places]), 1e6, delays[places])
    total = np.bincount(labels, late, len(pairs.labels))
    classes = [k for k in np.argsort(-total, kind="stable").tolist() if k in labels][:MOST_CLASSES]
    scores = pairs.scores(video)
    return {
        "video": stream.video,
        "duration": end,
        "actions": len(places),
        "detected": int((~np.isnan(delays[places])).sum()),
        "other_classes": len(np.unique(labels)) - len(classes),
        "classes": [
            {
                "label": pairs.labels[k],
                "actions": [
                    {"start": start, "end": stop, "seconds": delay}
                    for (start, stop), delay in zip(
                        pairs.actions.times[places[labels == k]][:MOST_ACTIONS].tolist(),
                        delays[places[labels == k]].tolist(),
                        strict=False,
                    )
                ],
                "scores": _curve(stream.windows[:, 1], scores[:, k], end),
            }
            for k in classes
        ],
    }


def _curve(known: np.ndarray, scores: np.ndarray, end: float) -> list[list[float]]:
    """Seconds and score: the highest of each of at most MOST_POINTS parts, when it is known."""
    if not len(known):
        return []
    part = np.minimum((known / end * MOST_POINTS).astype(np.int64), MOST_POINTS - 1)
    begins = np.flatnonzero(np.append(True, np.diff(part) != 0))
    highest = np.maximum.reduceat(scores, begins).tolist()
    rows = zip(known[begins].tolist(), highest, strict=True)
    return [[round(second, 3), round(score, 4)] for second, score in rows]
