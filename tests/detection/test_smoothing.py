"""Smoothed scores: one by one as all at once, and as numpy by definition."""

import numpy as np
import pytest

from timesformer.detection.smoothing import Smoother, SmoothingError, parse_smoothing, smooth_runs


@pytest.mark.parametrize("text", ["none", "median:3", "median:9", "mean:3", "mean:11"])
@pytest.mark.parametrize("lengths", [[40], [1, 2, 3, 20], [4]])
def test_one_by_one_is_all_at_once(text, lengths):
    smoothing = parse_smoothing(text)
    scores = np.random.default_rng(0).random((sum(lengths), 3))
    begins = np.zeros(len(scores), bool)
    begins[np.cumsum([0, *lengths[:-1]])] = True
    fed, defined = [], []
    for run in np.split(scores, np.cumsum(lengths)[:-1]):
        smoother = Smoother(smoothing)
        found = [smoother.feed(row) for row in run]
        assert all(row is None for row in found[: smoothing.delay])
        fed += [row for row in found if row is not None] + smoother.flush()
        for k in range(len(run)):
            near = run[max(k - smoothing.delay, 0) : k + smoothing.delay + 1]
            defined.append(getattr(np, smoothing.kind)(near, axis=0))
    at_once = smooth_runs(scores, begins, smoothing)
    np.testing.assert_array_equal(np.array(fed), at_once)
    np.testing.assert_allclose(at_once, defined, rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("median:4", "even number of windows, which has no middle; write median:5"),
        ("median", "is 'median'; write median:N, mean:N or none"),
        ("gauss:3", "write median:N, mean:N or none"),
        ("mean:0", "even number of windows"),
    ],
)
def test_other_smoothings_are_named(text, message):
    with pytest.raises(SmoothingError, match=message):
        parse_smoothing(text)
