"""Dynamic time warping against a loop of eight lines."""

import sys

import numpy as np
import pytest

from timesformer.errors import InputError
from timesformer.features import distances
from timesformer.features.distances import align, dtw_matrix
from timesformer.features.feature_set import unit

pytest.importorskip("dtaidistance", reason="needs dtaidistance (the extra dtw)")


def naive(a, b, band=None):
    sums = np.full((len(a) + 1, len(b) + 1), np.inf)
    sums[0, 0] = 0
    for i in range(len(a)):
        for j in range(len(b)):
            if band is None or abs(i - j) <= band:
                before = min(sums[i, j], sums[i, j + 1], sums[i + 1, j])
                sums[i + 1, j + 1] = ((a[i] - b[j]) ** 2).sum() + before
    return sums[-1, -1] ** 0.5


def sequences(count, frames=6, dims=5, seed=0):
    return unit(np.random.default_rng(seed).normal(size=(count, frames, dims)))


@pytest.mark.parametrize("band", [0, 1, 3, None])
def test_distances_are_those_of_a_loop(band):
    made = sequences(5)
    expected = [[naive(a, b, band) for b in made] for a in made]
    assert np.allclose(dtw_matrix(made, band=band), expected, atol=1e-12)


def test_parts_of_a_large_matrix_fit_together(monkeypatch):
    made = sequences(11)
    whole = dtw_matrix(made)
    monkeypatch.setattr(distances, "ROWS", 4)
    seen = []
    parts = dtw_matrix(made, progress=lambda rows, total: seen.append(total) or rows)
    assert np.array_equal(parts, whole)
    assert seen == [3]
    assert np.array_equal(whole, whole.T)


def test_the_same_motion_at_another_speed_is_near():
    slow = np.repeat(sequences(1, frames=4)[0], 2, axis=0)
    fast = np.concatenate([slow[::2], np.repeat(slow[-1:], 4, axis=0)])
    other = sequences(1, frames=8, seed=1)[0]
    found = dtw_matrix(np.stack([slow, fast, other]))
    assert found[0, 1] == pytest.approx(0, abs=1e-7)
    assert found[0, 2] > 1


@pytest.mark.parametrize("band", [0, 1, None])
def test_a_path_has_the_cost_of_the_distance_and_stays_in_the_band(band):
    a, b = sequences(2, frames=7)
    found = align(a, b, band=band)
    assert found.distance == pytest.approx(naive(a, b, band))
    assert found.path[0] == (0, 0)
    assert found.path[-1] == (6, 6)
    steps = {
        (i2 - i1, j2 - j1) for (i1, j1), (i2, j2) in zip(found.path, found.path[1:], strict=False)
    }
    assert steps <= {(0, 1), (1, 0), (1, 1)}
    assert all(abs(i - j) <= (6 if band is None else band) for i, j in found.path)
    assert np.allclose(found.costs, [1 - a[i] @ b[j] for i, j in found.path])


def test_one_sequence_has_no_pairs():
    assert dtw_matrix(sequences(1)).tolist() == [[0]]


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dtaidistance", None)
    with pytest.raises(InputError, match=r"needs dtaidistance; install it: pip install -e .*dtw"):
        dtw_matrix(sequences(2))
