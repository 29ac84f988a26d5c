"""Point AP of starts against a greedy loop over the starts by falling score."""

import numpy as np
import pytest

from tests.detection.online_evaluation.test_frames import made_pairs
from timesformer.detection.online_evaluation.starts import OFFSETS, point_average_precisions


def naive_point_ap(pairs, label, offset, as_seen):
    place = pairs.places[label]
    starts = []
    for video, stream in enumerate(pairs.streams):
        before = None
        for i, row in enumerate(stream.scores):
            best = int(row.argmax())
            if best != before and best == place:
                late = [
                    stream.windows[j, 1] + stream.delays[j] for j in range(i, len(stream.scores))
                ]
                when = min(late) if as_seen else stream.windows[i, 1]
                starts.append((-float(row[best]), video, when))
            before = best
    mine = np.flatnonzero(pairs.actions.label == label)
    free, right = set(mine.tolist()), []
    for _, video, when in sorted(starts):
        distance = {
            i: abs(pairs.actions.times[i, 0] - when)
            for i in free
            if pairs.actions.video[i] == video
        }
        nearest = min(distance, key=lambda i: (distance[i], -i), default=None)
        hit = nearest is not None and distance[nearest] <= offset
        free -= {nearest} if hit else set()
        right.append(hit)
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    return sum(precision[i:].max() for i in np.flatnonzero(right)) / len(mine)


@pytest.mark.parametrize("as_seen", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_a_loop(seed, as_seen):
    pairs = made_pairs(seed, noise=2.5)
    found = point_average_precisions(pairs, as_seen=as_seen)
    for row, offset in enumerate(OFFSETS):
        for label in range(len(pairs.labels)):
            # A free start that is farther than the offset never hides a nearer one.
            expected = naive_point_ap(pairs, label, offset, as_seen)
            assert found[row, label] == pytest.approx(expected, abs=1e-12)
    assert 0 < found.mean() < 1
    assert (np.diff(found.mean(axis=1)) >= 0).mean() > 0.8
