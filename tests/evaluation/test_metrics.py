import math

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    confusion_matrix,
    top_k_accuracy_score,
)

from timesformer.evaluation import metrics


@pytest.mark.parametrize("k", [1, 3, 5])
def test_accuracy_equals_scikit_learn(k):
    scores, labels = torch.randn(200, 8), torch.randint(8, (200,))
    expected = 100 * top_k_accuracy_score(labels.numpy(), scores.numpy(), k=k, labels=range(8))
    assert metrics.accuracy(scores, labels, k) == pytest.approx(expected)


def test_more_than_all_classes_are_all_classes():
    assert metrics.accuracy(torch.randn(9, 3), torch.randint(3, (9,)), 5) == 100


def test_no_video_has_no_accuracy():
    assert math.isnan(metrics.accuracy(torch.empty(0, 3), torch.empty(0, dtype=torch.int64), 1))


def test_ensembles_equal_a_naive_loop():
    logits = torch.randn(12, 5)
    for method, combine in {
        "sum": lambda views: views.sum(dim=0),
        "max": lambda views: views.max(dim=0).values,
        "sigmoid": lambda views: views.sigmoid().mean(dim=0),
        "softmax": lambda views: torch.stack([v.softmax(dim=0) for v in views]).mean(dim=0),
    }.items():
        expected = torch.stack([combine(logits[4 * i : 4 * i + 4]) for i in range(3)])
        assert torch.allclose(metrics.ensemble(logits, 4, method), expected), method


def test_the_maximum_of_negative_logits_is_negative():
    """The published accumulator started at 0."""
    assert metrics.ensemble(torch.full((2, 3), -5.0), 2, "max").max() == -5


def test_mean_average_precision_is_over_the_classes_that_occur():
    scores, labels = torch.randn(50, 6), (torch.rand(50, 6) > 0.7).float()
    labels[:, [1, 4]] = 0
    expected = [
        average_precision_score(labels[:, k].numpy(), scores[:, k].numpy()) for k in (0, 2, 3, 5)
    ]
    found = metrics.mean_average_precision(scores, labels)
    assert found == pytest.approx(sum(expected) / 4)
    perfect = metrics.mean_average_precision(labels, labels)
    assert perfect == 1
    none = metrics.mean_average_precision(scores, torch.zeros(50, 6))
    assert none != none


def test_one_of_several_labels_among_the_highest_suffices():
    scores = torch.tensor([[3.0, 2, 1], [3, 2, 1], [1, 2, 3]])
    labels = torch.tensor([[0.0, 1, 1], [1, 0, 1], [0, 0, 0]])
    assert [int(metrics.topk_correct(scores, labels, k)) for k in (1, 2, 5)] == [1, 2, 2]


@pytest.mark.parametrize("classes", [1, 3, 17])
def test_ties_are_in_the_order_of_the_classes(classes):
    """Against Python's sort, which is stable; bf16 makes ties."""
    scores = (torch.randn(300, classes) + 4).bfloat16()
    labels = torch.randint(classes, (300,))
    expected = [sorted(range(classes), key=lambda k, row=row: -row[k]) for row in scores.tolist()]
    for k in (1, 5):
        assert metrics.likeliest(scores, k).tolist() == [row[:k] for row in expected]
    for k in (1, 5):
        right = sum(label in row[:k] for label, row in zip(labels.tolist(), expected, strict=True))
        assert int(metrics.topk_correct(scores, labels, k)) == right
    hot = torch.nn.functional.one_hot(labels, classes)
    assert metrics.topk_correct(scores, hot, 2) == metrics.topk_correct(scores, labels, 2)


def test_what_is_no_number_is_never_right():
    nan, inf = math.nan, math.inf
    scores = torch.tensor([[nan, 1, 0], [1, nan, 0], [inf, 0, 0], [0, -inf, 1], [0, 0, 1.0]])
    labels = torch.tensor([0, 0, 0, 2, 2])
    assert int(metrics.topk_correct(scores, labels, 1)) == 1
    assert int(metrics.topk_correct(scores, labels, 3)) == 1
    assert metrics.likeliest(scores, 1)[:2, 0].tolist() == [1, 0]
    assert metrics.finite_rows(scores).tolist() == [False] * 4 + [True]
    hot = torch.nn.functional.one_hot(labels, 3)
    assert math.isnan(metrics.mean_average_precision(scores, hot))


@pytest.mark.parametrize("classes", [1, 4, 400])
@pytest.mark.filterwarnings("ignore:A single label")
def test_results_of_classes_equal_scikit_learn(classes):
    met = torch.randperm(classes)[: max(classes // 2, 1)]  # the others have no video
    labels = met[torch.randint(len(met), (300,))]
    scores = torch.randn(300, classes) + 2 * torch.nn.functional.one_hot(labels, classes)
    found = metrics.class_results(scores, labels)
    predicted = scores.argmax(dim=1).numpy()
    matrix = confusion_matrix(labels.numpy(), predicted, labels=range(classes))
    assert found.videos.tolist() == matrix.sum(axis=1).tolist()
    assert found.right.tolist() == matrix.diagonal().tolist()
    assert np.isnan(found.accuracy).tolist() == (found.videos == 0).tolist()
    assert found.chance == 100 / classes
    assert found.majority == pytest.approx(matrix.sum(axis=1).max() / 3)
    seen = [label for label in predicted if label in labels]  # balanced accuracy warns of others
    if len(seen) == 300 and classes > 1:
        balanced = balanced_accuracy_score(labels.numpy(), predicted)
        assert found.mean == pytest.approx(100 * balanced)
    assert found.mean == pytest.approx(np.nanmean(found.accuracy))
    assert sum(count for _, _, count in found.confused) == 300 - matrix.diagonal().sum()
    assert all(matrix[true, guess] == count for true, guess, count in found.confused)
    counts = [count for _, _, count in found.confused]
    assert counts == sorted(counts, reverse=True)


def test_results_of_classes_of_several_labels_are_average_precisions():
    scores, labels = torch.randn(60, 5), (torch.rand(60, 5) > 0.6).float()
    labels[:, 2] = 0
    found = metrics.class_results(scores, labels)
    for k in (0, 1, 3, 4):
        expected = average_precision_score(labels[:, k].numpy(), scores[:, k].numpy())
        assert found.accuracy[k] == pytest.approx(expected)
    assert math.isnan(found.accuracy[2])
    assert found.mean == pytest.approx(metrics.mean_average_precision(scores, labels))
    assert found.chance == pytest.approx(labels[:, [0, 1, 3, 4]].mean().item())
