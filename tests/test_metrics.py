import pytest
import torch
from sklearn.metrics import top_k_accuracy_score

from timesformer import metrics


@pytest.mark.parametrize("k", [1, 3, 5])
def test_accuracy_equals_scikit_learn(k):
    scores, labels = torch.randn(200, 8), torch.randint(8, (200,))
    expected = 100 * top_k_accuracy_score(labels.numpy(), scores.numpy(), k=k, labels=range(8))
    assert metrics.accuracy(scores, labels, k) == pytest.approx(expected)


def test_more_than_all_classes_are_all_classes():
    assert metrics.accuracy(torch.randn(9, 3), torch.randint(3, (9,)), 5) == 100


def test_no_video_has_no_accuracy():
    assert metrics.accuracy(torch.empty(0, 3), torch.empty(0, dtype=torch.int64), 1) != 0


def test_ensembles_equal_a_naive_loop():
    logits = torch.randn(12, 5)
    for method, combine in {
        "sum": lambda views: views.sum(dim=0),
        "max": lambda views: views.max(dim=0).values,
        "softmax": lambda views: torch.stack([v.softmax(dim=0) for v in views]).mean(dim=0),
    }.items():
        expected = torch.stack([combine(logits[4 * i : 4 * i + 4]) for i in range(3)])
        assert torch.allclose(metrics.ensemble(logits, 4, method), expected), method


def test_the_maximum_of_negative_logits_is_negative():
    """The published accumulator started at 0."""
    assert metrics.ensemble(torch.full((2, 3), -5.0), 2, "max").max() == -5
