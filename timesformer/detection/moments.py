"""Metrics of every moment: per-frame mAP, exact in time, and one class a moment.

Segments cut the time of a video into cells, in which nothing changes. The highest of N segments over
C cells is found in N + C log C steps, without a loop over segments: a segment of L cells is covered by
two of a power of two, and these are halved step by step.
"""

import itertools
from typing import NamedTuple

import numpy as np

from timesformer.detection.metrics import Columns
from timesformer.detection.ranking import average_precision_of, weights_by_score


class Cells(NamedTuple):
    """The cells of all groups, in the order of group and time."""

    group: np.ndarray  # (C,)
    times: np.ndarray  # (C, 2) seconds
    first: np.ndarray  # (N,) cell with which a segment begins
    last: np.ndarray  # (N,) cell before which it ends

    @property
    def widths(self) -> np.ndarray:
        """(C,) seconds."""
        return np.asarray(self.times[:, 1] - self.times[:, 0])


def cut_time(groups: np.ndarray, times: np.ndarray) -> Cells:
    """Cells between the ends of segments.

    Args:
        groups: (N,) whole numbers; segments of other groups do not matter to each other.
        times: (N, 2) seconds.
    """
    both, points = np.concatenate([groups, groups]), times.T.ravel()
    order = np.lexsort((points, both))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(both[order]) != 0) | (np.diff(points[order]) != 0)
    place = np.empty(len(order), np.int64)
    place[order] = new.cumsum() - 1
    group, point = both[order][new], points[order][new]
    is_cell = np.append(np.diff(group) == 0, False)[: len(group)]
    cell = is_cell.cumsum() - is_cell  # the number of cells before a point
    begins = np.flatnonzero(is_cell)
    spans = np.stack([point[begins], point[begins + 1]], axis=1)
    first, last = cell[place].reshape(2, -1)
    return Cells(group[begins], spans, first, last)


def highest(cells: Cells, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(C,) the highest value of the segments ``rows`` that cover each cell, minus infinity without any."""
    first, last = cells.first[rows], cells.last[rows]
    longer = last > first
    first, last, values = first[longer], last[longer], values[longer]
    levels = np.frexp(last - first)[1] - 1  # 2 ** level cells, and fewer than twice as many
    found = np.full(len(cells.group), -np.inf)
    for level in range(int(levels.max(initial=0)), -1, -1):
        half = 1 << level
        found[half:] = np.maximum(found[half:], found[:-half])
        mine = levels == level
        np.maximum.at(found, first[mine], values[mine])
        np.maximum.at(found, last[mine] - half, values[mine])
    return found


def per_frame_average_precisions(
    truth: Columns, found: Columns, durations: np.ndarray, num_classes: int
) -> np.ndarray:
    """(num_classes,) AP over all moments of all videos, from 0 to 1; nan without annotations.

    The score of a class at a moment is the highest of the detections there, and lower than all others
    where there is none. Every moment counts, as frames do at an endless rate.

    Args:
        truth: annotations.
        found: detections, in the same videos.
        durations: (videos,) seconds; what lies beyond is not counted.
        num_classes: how many there are.
    """
    videos = len(durations)
    times = np.concatenate([found.times, truth.times])
    video = np.concatenate([found.video, truth.video])
    times = np.clip(times, 0.0, durations[video, None])
    cells = cut_time(np.concatenate([found.label, truth.label]) * videos + video, times)
    detected = np.arange(len(found))
    annotated = np.arange(len(found), len(video))
    scores = highest(cells, detected, found.scores)
    is_true = highest(cells, annotated, np.ones(len(truth))) > 0
    label, widths = cells.group // videos, cells.widths
    begins = np.searchsorted(label, np.arange(num_classes + 1))
    precisions = np.full(num_classes, np.nan)
    for k, (start, end) in enumerate(itertools.pairwise(begins)):
        part = slice(start, end)
        rest = max(durations.sum() - widths[part].sum(), 0.0)
        precisions[k] = weighted_average_precision(
            np.append(scores[part], -np.inf),
            np.append(is_true[part], False),
            np.append(widths[part], rest),
        )
    return precisions


def weighted_average_precision(
    scores: np.ndarray, is_true: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """AP of scores (N,) as scikit-learn's: the sum of precision times the step of recall, ties together.

    nan if nothing is true.
    """
    weights = np.ones(len(scores)) if weights is None else weights
    wrong, right = weights_by_score(scores, is_true.astype(np.int64), weights, 2)
    return average_precision_of(right, wrong)


def one_class_a_moment(segments: Columns, order: np.ndarray) -> Columns:
    """Segments of which no two of a video overlap, in the order of time.

    Args:
        segments: that may overlap.
        order: (N,) which one counts where some overlap: the one of the highest place.
    """
    cells = cut_time(segments.video, segments.times)
    winner = highest(cells, np.arange(len(segments)), order.astype(np.float64))
    is_covered = winner >= 0
    by_place = np.empty(len(segments), np.int64)
    by_place[order] = np.arange(len(segments))
    label = np.full(len(winner), -1)
    label[is_covered] = segments.label[by_place[winner[is_covered].astype(np.int64)]]
    group = cells.group
    joins = (group[1:] == group[:-1]) & (label[1:] == label[:-1])
    begins = np.append(True, ~joins)[: len(group)]
    ends = np.append(begins[1:], True)[: len(group)]
    times = np.stack([cells.times[begins, 0], cells.times[ends, 1]], axis=1)
    kept = label[begins] >= 0
    shown = Columns(group[begins], label[begins], times, np.zeros(len(times)))
    return shown.rows(np.flatnonzero(kept))
