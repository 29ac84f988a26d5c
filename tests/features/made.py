"""Features of made-up videos: noise around a middle of each class."""

import numpy as np

from timesformer.features.cluster_report import cluster_report
from timesformer.features.compare import DISTANCES
from timesformer.features.feature_set import FeatureSet


def made_features(sizes=(4, 5, 6), *, noise=0.3, dims=12, frames=0, seed=0, origin="made.npz"):
    """Classes of these sizes; with ``frames`` each video is a sequence."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    shape = (frames, dims) if frames else (dims,)
    middles = rng.normal(size=(len(sizes), *shape))
    values = middles[labels] + noise * rng.normal(size=(len(labels), *shape))
    paths = tuple(f"videos/{label} {i}.mp4" for i, label in enumerate(labels))
    names = tuple(f"name {k}" for k in range(len(sizes)))
    return FeatureSet(values.astype(np.float32), paths, labels, names, origin, {"tokens": "cls"})


def made_cluster_report(sizes=(4, 5, 6), **changes):
    """As clusters.json; a name and a path want to be HTML, and parts of one file occur."""
    made = made_features(sizes, noise=1.2)
    paths = ("<i>x</i>.mp4", *made.paths[1:-2], "whole.mp4", "whole.mp4")
    spans = np.array([[0.5, 2.25], *[[np.nan, np.nan]] * (len(paths) - 1)])
    names = ("jump <b>high</b>", *made.class_names[1:])
    made = made._replace(paths=paths, class_names=names, spans=spans, **changes)
    comparison = DISTANCES["cosine"].build(made, None, lambda rows, _: rows)
    report = cluster_report(made, comparison, clusters=len(sizes), seed=0, group="none")
    return report | {"settings": "cls tokens of model.pyth, cosine, k-means"}
