"""Time cut into cells in which nothing changes: one score is known, and each action is in one stage.

A cell weighs its seconds, so that every moment counts, or the frames of a grid that lie in it.
"""

from typing import NamedTuple

import numpy as np

from timesformer.detection.online_evaluation.pairs import Pairs

STAGES = 10  # an action has ten stages of equal length


class Cells(NamedTuple):
    """The C cells of all videos, one after the other; A actions."""

    window: np.ndarray  # (C,) newest window, counted over all videos; -1 before the first is known
    weights: np.ndarray  # (C,) seconds or frames
    edges: np.ndarray  # (A, STAGES + 1) cell with which a stage begins; the last: after the action

    def stages(self, actions: np.ndarray) -> np.ndarray:
        """(C,) which stage of one of ``actions``, that do not overlap, a cell is in; -1 in none."""
        edges = self.edges[actions]
        begins, counts = edges[:, :-1].ravel(), np.diff(edges, axis=1).ravel()
        stage = np.tile(np.arange(STAGES), len(edges))
        within = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
        found = np.full(len(self.window), -1)
        found[np.repeat(begins, counts) + within] = np.repeat(stage, counts)
        return found


def cut_time(pairs: Pairs, *, as_seen: bool, fps: float | None = None) -> Cells:
    """The cells of the time that is evaluated.

    Args:
        pairs: streams and actions.
        as_seen: scores are known after their latency, not with the end of their window.
        fps: frames a second of a grid that begins with each video; None: every moment counts.
    """
    windows, weights, edges = [], [], []
    num_windows = num_cells = 0
    for video, (stream, end) in enumerate(zip(pairs.streams, pairs.durations, strict=True)):
        known = stream.known(as_seen=as_seen)
        stages = stage_times(pairs.actions.times[pairs.actions_of(video)])
        points = np.concatenate([[0.0, end], stages.ravel(), known])
        points = np.unique(points[(points >= 0) & (points <= end)])
        newest = np.searchsorted(known, points[:-1], "right") - 1
        windows.append(np.where(newest < 0, -1, newest + num_windows))
        weights.append(_weights(points, fps))
        edges.append(np.searchsorted(points, stages) + num_cells)
        num_windows += len(known)
        num_cells += len(points) - 1
    return Cells(*map(np.concatenate, (windows, weights, edges)))


def stage_times(times: np.ndarray) -> np.ndarray:
    """(A, STAGES + 1) seconds at which the stages of actions (A, 2) begin, and at which they end."""
    start, end = times.T
    points = np.asarray(start[:, None] + (end - start)[:, None] * np.arange(STAGES + 1) / STAGES)
    points[:, -1] = end
    return points


def _weights(points: np.ndarray, fps: float | None) -> np.ndarray:
    if fps is None:
        return np.diff(points)
    # Frame i is shown at i / fps; one at the first moment of a cell is in it.
    return np.diff(np.ceil(points * fps - 1e-6))
