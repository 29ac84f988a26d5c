"""The nearest other video, against scikit-learn."""

import numpy as np
from sklearn.model_selection import LeaveOneGroupOut, LeaveOneOut
from sklearn.neighbors import KNeighborsClassifier

from tests.features.made import made_features
from timesformer.features import neighbours
from timesformer.features.neighbours import nearest_neighbours


def test_right_ones_are_those_of_scikit_learn(monkeypatch):
    made = made_features((6, 7, 8), noise=1.5)
    vectors = made.vectors()
    groups = np.arange(21) // 2
    monkeypatch.setattr(neighbours, "ROWS", 8)
    for codes, folds in (
        (None, LeaveOneOut().split(vectors)),
        (groups, LeaveOneGroupOut().split(vectors, made.labels, groups)),
    ):
        expected = np.zeros(21, bool)
        for train, test in folds:
            model = KNeighborsClassifier(1).fit(vectors[train], made.labels[train])
            expected[test] = model.predict(vectors[test]) == made.labels[test]
        found = nearest_neighbours(lambda rows: vectors[rows] @ vectors.T, made.labels, codes)
        assert found.tolist() == expected.tolist()
        assert 0 < found.mean() < 1


def test_a_video_without_others_is_not_right():
    found = nearest_neighbours(
        lambda rows: np.ones((2, 2))[rows], np.zeros(2, int), np.zeros(2, int)
    )
    assert not found.any()
