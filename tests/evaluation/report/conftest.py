"""Runs on the same videos."""

import numpy as np
import pytest

from tests.evaluation.report.made import random_scores, write_csv
from timesformer.evaluation.report.predictions import read_predictions

PATHS = [f"videos/{i}.mp4" for i in range(200)]


@pytest.fixture
def run(tmp_path):
    """Predictions of 200 videos; seeds differ in scores alone."""

    def make(name, *, seed=1, order=None, labels=None, num_classes=4, **options):
        rng = np.random.default_rng(seed)
        truth = random_scores(200, 4)[0] if labels is None else labels
        scores = rng.random((200, num_classes))
        scores[np.arange(200), truth % num_classes] += 0.5
        order = np.arange(200) if order is None else order
        paths = [PATHS[i] for i in order]
        file = tmp_path / name / "test_predictions.csv"
        return read_predictions(
            write_csv(file, truth[order] % num_classes, scores[order], paths=paths, **options)
        )

    return make
