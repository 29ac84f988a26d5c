"""How videos are compared: the rows of --distance."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from timesformer.features.clusters import Clusters, by_kmeans, by_linkage
from timesformer.features.distances import Progress, dtw_matrix
from timesformer.features.feature_set import FeatureSet
from timesformer.features.few_shot import Classify, by_nearest, by_prototypes


class Comparison(NamedTuple):
    """What few-shot classification and clustering need of features."""

    classify: Classify
    similarity: Callable[[slice], np.ndarray]  # (n, N) of the videos of a slice, higher is nearer
    cluster: Callable[[int, int], Clusters]  # of a number of clusters and a seed


class Distance(NamedTuple):
    """A row of --distance."""

    tokens: str  # of `timesformer features`, by default
    classifier: str  # of few-shot
    clustering: str
    build: Callable[[FeatureSet, int | None, Progress], Comparison]  # band of dtw; progress


def _cosine(found: FeatureSet, band: int | None, progress: Progress) -> Comparison:
    vectors = found.vectors()
    return Comparison(
        by_prototypes(vectors),
        lambda rows: vectors[rows] @ vectors.T,
        lambda clusters, seed: by_kmeans(vectors, clusters, seed=seed),
    )


def _dtw(found: FeatureSet, band: int | None, progress: Progress) -> Comparison:
    distances = dtw_matrix(found.sequences(), band=band, progress=progress)
    return Comparison(
        by_nearest(distances),
        lambda rows: -distances[rows],
        lambda clusters, seed: by_linkage(distances, clusters),
    )


DISTANCES = {
    "cosine": Distance("cls", "nearest prototype", "k-means", _cosine),
    "dtw": Distance("frames", "nearest support video", "average linkage", _dtw),
}
