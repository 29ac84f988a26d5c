"""Point mAP of starts, Shou et al. (ODAS): is the start of an action said near the time when it begins?

A start is a window in which another class becomes the likeliest than in the window before; it is said
when its score is known, and has the probability of its class. Starts of a class are taken by falling
score, equal ones by the name of the video, then by time. One is right if the start of an action of its
class and video is at most the offset away, before or after, and still free; the nearest free one is
taken. AP is the area under the precision, made falling, over the recall.
"""

import numpy as np

from timesformer.detection.metrics import Columns, Matcher
from timesformer.detection.online_evaluation.pairs import Pairs

OFFSETS = tuple(range(1, 11))  # seconds, as in the paper


def point_average_precisions(pairs: Pairs, *, as_seen: bool) -> np.ndarray:
    """(OFFSETS, labels) from 0 to 1."""
    parts = [_likeliest_starts(pairs, video, as_seen) for video in range(len(pairs.streams))]
    video, label, times, scores = map(np.concatenate, zip(*parts, strict=True))
    found = Columns(video, label, np.stack([times, times], axis=1), scores)
    matcher = Matcher(pairs.actions, found, least=-max(OFFSETS), closeness=start_closeness)
    return np.stack([matcher.average_precisions(-offset, len(pairs.labels)) for offset in OFFSETS])


def start_closeness(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Minus the seconds between the starts of segments (..., 2)."""
    return np.asarray(-np.abs(a[..., 0] - b[..., 0]))


def _likeliest_starts(
    pairs: Pairs, video: int, as_seen: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Video, class, time and score of each start."""
    stream = pairs.streams[video]
    label_of = np.full(len(stream.class_names), -1)
    label_of[pairs.places] = np.arange(len(pairs.labels))
    likeliest = stream.scores.argmax(axis=1)
    is_new = np.append(True, likeliest[1:] != likeliest[:-1])[: len(likeliest)]
    label = label_of[likeliest]
    rows = np.flatnonzero(is_new & (label >= 0))
    scores = stream.scores[rows, likeliest[rows]].astype(np.float64)
    return np.full(len(rows), video), label[rows], stream.known(as_seen=as_seen)[rows], scores
