"""Clusters of videos by their features, and how they fit labels.

cosine   k-means of vectors of length 1, and the mean of a cluster as its middle
dtw      agglomerative clustering, average linkage, and the medoid as the middle
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn import metrics
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.metrics.cluster import contingency_matrix

from timesformer.evaluation.report.intervals import Interval, share_interval
from timesformer.features.feature_set import unit

STARTS = 10  # of k-means; the best one counts
SHUFFLES = 200  # of the labels, for the level of chance


class Clusters(NamedTuple):
    """Which cluster each of N videos is in, and how far it is from the middle of its cluster."""

    codes: np.ndarray  # (N,) 0 .. K - 1, the largest cluster first
    distances: np.ndarray  # (N,) 1 - cos, or dtw


class LabelScores(NamedTuple):
    """How clusters fit labels; all from 0 to 1 but the adjusted Rand index, which chance gives 0."""

    v_measure: float
    homogeneity: float
    completeness: float
    adjusted_rand: float
    accuracy: float  # each cluster has at most one class and each class at most one cluster
    interval: Interval  # of the accuracy, for these clusters and their classes
    chance: float  # accuracy of the same clusters with shuffled labels, mean
    class_of: dict[int, int]  # cluster -> its label


def by_kmeans(vectors: np.ndarray, clusters: int, *, seed: int) -> Clusters:
    """Clusters of ``vectors`` (N, D) of length 1."""
    model = KMeans(clusters, n_init=STARTS, random_state=seed)
    codes = largest_first(model.fit_predict(vectors))
    middles = np.stack([vectors[codes == code].mean(axis=0) for code in range(codes.max() + 1)])
    distances = 1 - (vectors * unit(middles)[codes]).sum(axis=1)
    return Clusters(codes, np.maximum(distances, 0))


def by_linkage(distances: np.ndarray, clusters: int) -> Clusters:
    """Clusters of videos with these ``distances`` (N, N)."""
    model = AgglomerativeClustering(clusters, metric="precomputed", linkage="average")
    codes = largest_first(model.fit_predict(distances))
    found = np.empty(len(codes))
    for code in range(codes.max() + 1):
        inside = np.flatnonzero(codes == code)
        among = distances[np.ix_(inside, inside)]
        found[inside] = among[np.argmin(among.sum(axis=1))]
    return Clusters(codes, found)


def largest_first(codes: np.ndarray) -> np.ndarray:
    """Codes (N,) from 0 by falling size; of equal ones the one of the first video is first."""
    kept, first, sizes = np.unique(codes, return_index=True, return_counts=True)
    ranks = np.argsort(np.lexsort((first, -sizes)))
    return np.asarray(ranks[np.searchsorted(kept, codes)])


def against_labels(
    codes: np.ndarray, labels: np.ndarray, groups: np.ndarray | None, *, seed: int
) -> LabelScores:
    """How clusters (N,) fit labels (N,); ``groups`` (N,) of dependent videos, or None."""
    class_of = match_classes(codes, labels)
    given = [class_of.get(code) for code in codes.tolist()]
    right = np.array([one == other for one, other in zip(given, labels.tolist(), strict=True)])
    homogeneity, completeness, v_measure = metrics.homogeneity_completeness_v_measure(labels, codes)
    rng = np.random.default_rng(seed)
    shuffled = [_accuracy(codes, rng.permutation(labels)) for _ in range(SHUFFLES)]
    return LabelScores(
        float(v_measure),
        float(homogeneity),
        float(completeness),
        float(metrics.adjusted_rand_score(labels, codes)),
        float(right.mean()),
        share_interval(right, groups),
        float(np.mean(shuffled)),
        class_of,
    )


def match_classes(codes: np.ndarray, labels: np.ndarray) -> dict[int, int]:
    """The label of each cluster by the assignment that gets most videos right; none without videos."""
    clusters, classes = np.unique(codes), np.unique(labels)
    counts = contingency_matrix(codes, labels)
    pairs = zip(*linear_sum_assignment(counts, maximize=True), strict=True)
    return {int(clusters[i]): int(classes[j]) for i, j in pairs if counts[i, j]}


def _accuracy(codes: np.ndarray, labels: np.ndarray) -> float:
    """That of the assignment that gets most videos right."""
    counts = contingency_matrix(codes, labels)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(codes))
