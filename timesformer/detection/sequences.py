"""Segmental edit score and F1@{10, 25, 50} of sequences of actions: MS-TCN's definitions, from 0 to 1.

A sequence has one class a moment: of detections that overlap the one of the highest score counts, of
annotations that overlap the one that began last. What is between is background, which does not count.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from timesformer.detection.metrics import Columns
from timesformer.detection.moments import one_class_a_moment

F1_OVERLAPS = (0.10, 0.25, 0.50)


class SequenceScores(NamedTuple):
    """Both from 0 to 1; F1 by the overlap in percent."""

    edit: float
    f1: Mapping[int, float]


def sequence_scores(truth: Columns, found: Columns, num_videos: int) -> SequenceScores:
    """Edit score, the mean over the videos, and F1 over all of them."""
    start, end = truth.times.T
    annotated = one_class_a_moment(truth, _places(np.lexsort((truth.label, -end, start))))
    begin = found.times[:, 0]
    detected = one_class_a_moment(found, _places(np.lexsort((-begin, -found.label, found.scores))))
    cuts = [
        np.searchsorted(part.video, np.arange(num_videos + 1)) for part in (annotated, detected)
    ]
    edits = np.zeros(num_videos)
    right = np.zeros(len(F1_OVERLAPS))
    for video in range(num_videos):
        true, guessed = (
            part.rows(np.arange(cut[video], cut[video + 1]))
            for part, cut in zip((annotated, detected), cuts, strict=True)
        )
        edits[video] = edit_score(true.label.tolist(), guessed.label.tolist())
        right += num_right(true, guessed)
    total = len(annotated) + len(detected)
    f1 = 2 * right / total if total else np.zeros(len(right))
    names = [round(100 * overlap) for overlap in F1_OVERLAPS]
    return SequenceScores(float(edits.mean()), dict(zip(names, f1.tolist(), strict=True)))


def edit_score(true: Sequence[int], guessed: Sequence[int]) -> float:
    """1 minus the Levenshtein distance of two sequences of classes over the longer length."""
    longest = max(len(true), len(guessed))
    if not longest:
        return 1.0
    row = list(range(len(true) + 1))
    for i, label in enumerate(guessed, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(true, start=1):
            best = min(row[j] + 1, row[j - 1] + 1, diagonal + (label != other))
            diagonal, row[j] = row[j], best
    return 1 - row[-1] / longest


def num_right(true: Columns, guessed: Columns) -> np.ndarray:
    """How many segments of one video are right, for each of F1_OVERLAPS.

    One is right if it is the first whose best annotation of its class overlaps it enough; here the
    union reaches from the first start to the last end.
    """
    if not len(true) or not len(guessed):
        return np.zeros(len(F1_OVERLAPS))
    a, b = guessed.times[:, None], true.times[None]
    common = np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0])
    whole = np.maximum(a[..., 1], b[..., 1]) - np.minimum(a[..., 0], b[..., 0])
    overlap = common / whole * (guessed.label[:, None] == true.label[None])
    best, place = overlap.max(axis=1), overlap.argmax(axis=1)
    return np.array([len(np.unique(place[best >= least])) for least in F1_OVERLAPS], float)


def _places(order: np.ndarray) -> np.ndarray:
    """The place of each element in ``order``."""
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return places
