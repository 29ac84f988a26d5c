"""Which detections are right: each annotation is found once, by the highest score that covers it.

Detections and annotations are compared where their keys are equal: class and video. Temporal
intersection over union, tIoU, is their common time over the time of both together.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Closeness = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of segments (..., 2), as tIoU
MOST_PAIRS = 1 << 21  # that are compared at once, for memory


def tiou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of segments (..., 2) in seconds; 0 if both are empty."""
    common = np.maximum(np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0]), 0.0)
    whole = (b[..., 1] - b[..., 0]) + (a[..., 1] - a[..., 0]) - common
    return np.asarray(np.divide(common, whole, out=np.zeros_like(common), where=whole > 0))


class Pairs(NamedTuple):
    """P detections with an annotation of their key that they overlap, by key, detection, falling tIoU.

    Of annotations with equal tIoU the last one comes first, as in the published evaluation.
    """

    key: np.ndarray  # (P,)
    detection: np.ndarray  # (P,) place
    annotation: np.ndarray  # (P,) place
    overlap: np.ndarray  # (P,) tIoU, or another closeness


def find_pairs(
    detection_keys: np.ndarray,
    detections: np.ndarray,
    annotation_keys: np.ndarray,
    annotations: np.ndarray,
    *,
    least: float,
    closeness: Closeness = tiou,
) -> Pairs:
    """The pairs with a closeness of at least ``least``, which of tIoU is above 0.

    Args:
        detection_keys: (N,) whole numbers, in any order.
        detections: (N, 2) seconds.
        annotation_keys: (M,) in rising order.
        annotations: (M, 2) seconds.
        least: of ``closeness``.
        closeness: how near a detection is to an annotation.
    """
    first = np.searchsorted(annotation_keys, detection_keys, "left")
    counts = np.searchsorted(annotation_keys, detection_keys, "right") - first
    rows = np.flatnonzero(counts)
    blocks = np.split(rows, _cuts(counts[rows]))
    parts = [
        _compare(block, first[block], counts[block], detections, annotations, least, closeness)
        for block in blocks
    ]
    detection, annotation, overlap = map(np.concatenate, zip(*parts, strict=True))
    key = detection_keys[detection]
    order = np.lexsort((-annotation, -overlap, detection, key))
    return Pairs(key[order], detection[order], annotation[order], overlap[order])


def match(pairs: Pairs, tiou: float, num_detections: int, num_annotations: int) -> np.ndarray:
    """The annotation (N,) that each detection finds at ``tiou``, -1 for a wrong one.

    In the order of their places, detections take the free annotation of the highest tIoU. All keys
    advance together: the first pair of a key is always right, and ends all others of its two sides.
    """
    kept = pairs.overlap >= tiou
    key, detection, annotation = pairs.key[kept], pairs.detection[kept], pairs.annotation[kept]
    found = np.full(num_detections, -1)
    taken = np.zeros(num_annotations, bool)
    while len(key):
        first = np.append(True, key[1:] != key[:-1])
        found[detection[first]] = annotation[first]
        taken[annotation[first]] = True
        left = ~taken[annotation] & (found[detection] < 0)
        key, detection, annotation = key[left], detection[left], annotation[left]
    return found


def _cuts(counts: np.ndarray) -> np.ndarray:
    """Where to cut rows into blocks of about MOST_PAIRS pairs."""
    blocks = counts.cumsum() // MOST_PAIRS
    return np.asarray(np.flatnonzero(np.diff(blocks)) + 1)


def _compare(
    rows: np.ndarray,
    first: np.ndarray,
    counts: np.ndarray,
    detections: np.ndarray,
    annotations: np.ndarray,
    least: float,
    closeness: Closeness,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    detection = np.repeat(rows, counts)
    within = np.arange(len(detection)) - np.repeat(counts.cumsum() - counts, counts)
    annotation = np.repeat(first, counts) + within
    overlap = closeness(detections[detection], annotations[annotation])
    kept = overlap >= least
    return detection[kept], annotation[kept], overlap[kept]
