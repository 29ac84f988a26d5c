"""Features of made-up videos: noise around a middle of each class."""

import numpy as np

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
