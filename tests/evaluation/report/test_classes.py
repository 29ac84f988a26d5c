"""Figures of classes against scikit-learn, a bootstrap, and loops."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import spearmanr, ttest_ind
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score

from tests.evaluation.report.made import random_scores, write_csv
from timesformer.evaluation.report import classes
from timesformer.evaluation.report.predictions import read_predictions


@pytest.fixture
def made(tmp_path):
    labels, scores = random_scores(500, 6, strength=1.5)
    labels[labels == 4] = 0  # a class without videos, which is predicted
    return read_predictions(write_csv(tmp_path / "p.csv", labels, scores, digits=17))


def test_counts_means_and_rows_are_those_of_scikit_learn(made):
    counts = classes.confusion_counts(made)
    assert (counts == confusion_matrix(made.labels, made.predicted, labels=range(6))).all()
    with pytest.warns(UserWarning, match="not in y_true"):
        theirs = balanced_accuracy_score(made.labels, made.predicted)
    assert classes.mean_class_accuracy(made, None)[0] == pytest.approx(theirs)
    theirs = f1_score(made.labels, made.predicted, average="macro")
    assert classes.macro_f1(made, None)[0] == pytest.approx(theirs)
    rows = classes.class_rows(made, counts, None, train_videos=None, change=None)
    each = f1_score(made.labels, made.predicted, average=None, labels=range(6))
    assert [row["f1"] for row in rows] == pytest.approx(100 * each)
    assert (rows[4]["accuracy"], rows[4]["interval"]) == (None, None)
    for row in rows:
        own = made.predicted[made.labels == row["label"]]
        others = {k: int((own == k).sum()) for k in range(6) if k != row["label"]}
        most = max(others, key=others.get)
        if others[most]:
            assert row["most_confused"] == {
                "label": most, "name": f"class {most}", "videos": others[most]}  # fmt: skip


@pytest.mark.parametrize("figure", [classes.mean_class_accuracy, classes.macro_f1])
@pytest.mark.parametrize("grouped", [False, True])
def test_intervals_are_as_wide_as_a_bootstrap_finds(made, figure, grouped):
    rng = np.random.default_rng(0)
    groups = rng.integers(80, size=500) if grouped else np.arange(500)
    members = [np.flatnonzero(groups == g) for g in range(groups.max() + 1)]
    values = []
    for _ in range(400):
        drawn = rng.integers(len(members), size=len(members))
        rows = np.concatenate([members[g] for g in drawn])
        values.append(figure(made.subset(rows), None)[0])
    low, high, _ = figure(made, groups if grouped else None)[1]
    drawn_low, drawn_high = np.quantile(values, [0.025, 0.975])
    assert high - low == pytest.approx(drawn_high - drawn_low, rel=0.15)


def test_classes_of_one_video_still_have_an_interval(tmp_path):
    scores = np.eye(20)[[*range(10), *range(1, 11)]]
    found = read_predictions(write_csv(tmp_path / "p.csv", np.arange(20), scores))
    value, interval = classes.mean_class_accuracy(found, None)
    assert value == 0.5
    assert interval.low < 0.4
    assert interval.high > 0.6


def test_freedom_of_two_classes_is_that_of_welchs_test():
    """Of samples with one spread, whose means are compared."""
    few, many = [-1, 1], [-2, -1, 1, 2, 0, 0]
    many = np.array(many) * np.std(few, ddof=1) / np.std(many, ddof=1)
    theirs = ttest_ind(few, many, equal_var=False).df
    assert classes._freedom_of_classes(np.array([2, 6])) == pytest.approx(theirs)


def test_small_classes_beside_large_ones_widen_the_interval_of_their_mean():
    """By the normal distribution 92.7 of 100 intervals held the truth."""
    support = np.array([3, 3, 4, 5, *[40] * 16])
    labels, chance = np.repeat(np.arange(20), support), np.linspace(0.5, 0.9, 20)
    rng, held = np.random.default_rng(1), 0
    for _ in range(1000):
        right = rng.random(len(labels)) < chance[labels]
        predicted = np.where(right, labels, (labels + 1) % 20)
        run = SimpleNamespace(labels=labels, predicted=predicted, num_classes=20)
        interval = classes.mean_class_accuracy(run, None)[1]
        held += interval.low <= chance.mean() <= interval.high
    assert 0.93 <= held / 1000 <= 0.97


def test_pairs_are_the_cells_of_the_matrix_most_first(made):
    counts = classes.confusion_counts(made)
    confidence = made.scores.max(axis=1)
    pairs = classes.confused_pairs(made, counts, confidence)
    cells = sorted(
        (-counts[i, j], i, j) for i in range(6) for j in range(6) if i != j and counts[i, j]
    )
    found = [(-pair["videos"], pair["true"], pair["predicted"]) for pair in pairs]
    assert found == cells[:20]
    for pair in pairs:
        own = made.labels == pair["true"]
        wrong = np.flatnonzero(own & (made.predicted == pair["predicted"]))
        assert pair["share"] == pytest.approx(100 * len(wrong) / own.sum())
        assert pair["example"] == made.keys[max(wrong, key=lambda i: confidence[i])]


def test_confused_classes_stand_together():
    counts = np.diag([90] * 8)
    for a, b in ((0, 5), (1, 7), (2, 4)):
        counts[a, b] = counts[b, a] = 40
    counts[6] = counts[:, 6] = 0
    order = classes.clustered_order(counts)
    assert sorted(order) == list(range(8))
    assert order[-1] == 6
    for a, b in ((0, 5), (1, 7), (2, 4)):
        assert abs(order.index(a) - order.index(b)) == 1
    assert classes.clustered_order(np.zeros((3, 3), int)) == [0, 1, 2]


def test_frequency_is_correlated_by_rank():
    accuracies, videos = [10.0, None, 30.0, 20.0, 90.0], np.array([5, 7, 9, 6, 8])
    found = classes.frequency_correlation(accuracies, videos)
    assert found["spearman"] == pytest.approx(spearmanr([10, 30, 20, 90], [5, 9, 6, 8]).statistic)
    assert classes.frequency_correlation([1.0, 2.0, 3.0], np.array([4, 4, 4])) is None
    assert classes.frequency_correlation([1.0, 2.0], np.array([4, 5])) is None
