import math

import pytest
import torch
from sklearn.metrics import average_precision_score, top_k_accuracy_score

from timesformer import metrics


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
