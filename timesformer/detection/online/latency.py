"""The latency of every window in three parts, in a few bytes each, and their percentiles."""

from array import array

import numpy as np

PARTS = ("waiting", "decode", "model", "total")
QUANTILES = {"p50": 50, "p95": 95, "p99": 99, "max": 100}


class Latencies:
    """Waiting, decode and model of each window, in seconds."""

    def __init__(self) -> None:
        self._values = array("f")

    def add(self, waiting: float, decode: float, model: float) -> None:
        """One more window."""
        self._values.extend((waiting, decode, model))

    def percentiles(self) -> dict[str, dict[str, float]]:
        """p50, p95, p99 and the maximum of each part and of the total; {} before the first window."""
        rows = np.array(self._values, np.float64).reshape(-1, 3)
        if not len(rows):
            return {}
        columns = [*rows.T, rows.sum(axis=1)]
        return {
            part: {
                name: round(float(np.percentile(column, at, method="inverted_cdf")), 6)
                for name, at in QUANTILES.items()
            }
            for part, column in zip(PARTS, columns, strict=True)
        }
