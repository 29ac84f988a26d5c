"""Clusters: planted ones are found, and their scores are those of slow definitions."""

from itertools import permutations

import numpy as np
import pytest

from tests.features.made import made_features
from timesformer.evaluation.report.intervals import wilson
from timesformer.features.clusters import (
    against_labels,
    by_kmeans,
    by_linkage,
    largest_first,
    match_classes,
)


def test_planted_clusters_are_found_by_both():
    made = made_features((4, 9, 6), noise=0.1)
    vectors = made.vectors()
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1)
    for found in (by_kmeans(vectors, 3, seed=0), by_linkage(distances, 3)):
        assert found.codes.tolist() == [2] * 4 + [0] * 9 + [1] * 6
        assert (found.distances >= 0).all()
    middle = vectors[4:13].mean(axis=0)
    cosines = vectors[4:13] @ middle / np.linalg.norm(middle)
    assert np.allclose(by_kmeans(vectors, 3, seed=0).distances[4:13], 1 - cosines)


def test_the_medoid_has_the_least_sum_of_distances():
    points = np.array([0.0, 1, 2, 9, 10, 14])
    found = by_linkage(abs(points[:, None] - points[None]), 2)
    assert found.codes.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.distances.tolist() == [1, 0, 1, 1, 0, 4]


def test_the_largest_cluster_is_the_first():
    assert largest_first(np.array([5, 2, 2, 0, 0, 5, 7])).tolist() == [0, 1, 1, 2, 2, 0, 3]


@pytest.mark.parametrize("clusters", [3, 4, 5])
def test_the_accuracy_is_that_of_the_best_assignment(clusters):
    rng = np.random.default_rng(clusters)
    codes, labels = rng.integers(0, clusters, 40), rng.integers(0, 4, 40) + 10
    names = [*range(10, 14), *[-1] * max(clusters - 4, 0)]
    best = max(
        np.mean([order[code] == label for code, label in zip(codes, labels, strict=True)])
        for order in permutations(names, clusters)
    )
    found = against_labels(codes, labels, None, seed=0)
    assert found.accuracy == pytest.approx(best)
    assert found.interval == wilson(round(best * 40), 40)
    assert found.class_of == match_classes(codes, labels)


def test_perfect_clusters_score_1_and_random_ones_chance():
    labels = np.repeat([1, 4, 6], 30)
    found = against_labels(labels * 2, labels, None, seed=0)
    assert (found.v_measure, found.adjusted_rand, found.accuracy) == (1, 1, 1)
    assert found.class_of == {2: 1, 8: 4, 12: 6}
    rng = np.random.default_rng(0)
    random = [against_labels(rng.permutation(labels), labels, None, seed=0) for _ in range(20)]
    assert np.mean([each.adjusted_rand for each in random]) == pytest.approx(0, abs=0.02)
    mean, chance = np.mean([each.accuracy for each in random]), found.chance
    assert mean == pytest.approx(chance, abs=0.02)
    assert chance > 1 / 3  # the best assignment of random clusters


def test_groups_widen_the_interval():
    labels = np.repeat([0, 1], 20)
    codes = labels.copy()
    codes[:5] = 1
    alone = against_labels(codes, labels, None, seed=0).interval
    grouped = against_labels(codes, labels, np.arange(40) // 5, seed=0).interval
    assert grouped.high - grouped.low > alone.high - alone.low
