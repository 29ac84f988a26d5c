"""Per-frame AP of online scores, as it is and calibrated, also of each stage of the actions.

The score of a class at a moment is that of the newest window that is known; before the first one it is
lower than all others. A stage, as LSTR and TRN define it, is a tenth of each action: its AP ranks these
moments against all moments without an action of the class. The first stage is early detection.
"""

from typing import NamedTuple

import numpy as np

from timesformer.detection.online_evaluation.cells import STAGES, Cells
from timesformer.detection.online_evaluation.pairs import Pairs
from timesformer.detection.ranking import (
    average_precision_of,
    calibrated_average_precision_of,
    weights_by_score,
)


class FramePrecisions(NamedTuple):
    """From 0 to 1, for each of the classes that have an action."""

    average: np.ndarray  # (labels,)
    calibrated: np.ndarray  # (labels,)
    stages: np.ndarray  # (labels, STAGES)
    calibrated_stages: np.ndarray  # (labels, STAGES)


def frame_precisions(pairs: Pairs, cells: Cells) -> FramePrecisions:
    """AP over all cells; nan of a class, or a stage, that no frame of the grid is in."""
    found = FramePrecisions(
        *(np.full(len(pairs.labels), np.nan) for _ in range(2)),
        *(np.full((len(pairs.labels), STAGES), np.nan) for _ in range(2)),
    )
    for k, place in enumerate(pairs.places):
        column = np.concatenate([stream.scores[:, place] for stream in pairs.streams])
        scores = np.append(column, -np.inf)[cells.window]  # -1, no window: the last one
        stages = cells.stages(np.flatnonzero(pairs.actions.label == k))
        steps = weights_by_score(scores, stages + 1, cells.weights, STAGES + 1)
        wrong, right = steps[0], steps[1:]
        for measure, whole, parts in (
            (average_precision_of, found.average, found.stages),
            (calibrated_average_precision_of, found.calibrated, found.calibrated_stages),
        ):
            whole[k] = measure(right.sum(axis=0), wrong)
            parts[k] = [measure(row, wrong) for row in right]
    return found


def coverage(pairs: Pairs, *, as_seen: bool) -> float:
    """Share of the time with a newest score of a window that ended less than two strides ago."""
    fresh = 0.0
    for stream, end in zip(pairs.streams, pairs.durations, strict=True):
        known = np.minimum(stream.known(as_seen=as_seen), end)
        until = np.minimum(np.append(known[1:], end), stream.windows[:, 1] + 2 * stream.stride)
        fresh += float(np.maximum(until - known, 0.0).sum())
    return fresh / float(pairs.durations.sum())
