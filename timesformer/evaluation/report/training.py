"""The training that a test follows: loss and validation by epoch, from the metrics.csv of the run."""

from typing import Any

import numpy as np

from timesformer.evaluation.curves import CurvesError, read_run
from timesformer.evaluation.report.records import RunRecord
from timesformer.files import METRICS
from timesformer.visualize.training_curves import Point

MOST_POINTS = 300  # of the loss; more are averaged


def training_curves(record: RunRecord) -> dict[str, Any] | None:
    """Points [epoch, value] of loss and validation, the latter in percent; None without a training."""
    file = None if record.folder is None else record.folder / METRICS
    if file is None or not file.is_file():
        return None
    try:
        found = read_run(file)
    except (CurvesError, ValueError, KeyError, TypeError):  # of another program
        return None
    metric = "map" if found.metric == "mAP" else "top1"
    validation = list(map(list, found.validation))
    return {"metric": metric, "loss": _averaged(found.loss), "validation": validation}


def _averaged(points: list[Point]) -> list[list[float]]:
    """The means of neighbouring points, at most MOST_POINTS of them."""
    parts = np.array_split(np.array(points).reshape(-1, 2), MOST_POINTS)
    return [part.mean(axis=0).tolist() for part in parts if len(part)]
