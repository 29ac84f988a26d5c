"""Percentiles of every part, as numpy's, and a few bytes a window."""

import numpy as np
import pytest

from timesformer.detection.online.latency import PARTS, Latencies


def test_percentiles_are_those_of_all_windows():
    rng, found = np.random.default_rng(0), Latencies()
    rows = rng.random((999, 3))
    for row in rows.tolist():
        found.add(*row)
    expected = dict(zip(PARTS, [*rows.T, rows.sum(axis=1)], strict=True))
    for part, values in found.percentiles().items():
        ordered = np.sort(expected[part])
        for name, place in (("p50", 499), ("p95", 949), ("p99", 989), ("max", 998)):
            assert values[name] == pytest.approx(ordered[place], abs=2e-6)
    assert found._values.itemsize * len(found._values) == 999 * 12


def test_without_windows_there_are_none():
    assert Latencies().percentiles() == {}
