"""A confusion matrix as a small picture, a pixel a cell, for light and dark pages."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.image import imsave

from timesformer.visualize.report_figures import confusion_pixels


def matrix_png(counts: np.ndarray, order: Sequence[int]) -> bytes:
    """PNG of counts (K, K), rows and columns in ``order``, transparent where nothing is."""
    counts = counts[np.ix_(order, order)]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    file = io.BytesIO()
    imsave(file, confusion_pixels(shares), format="png", metadata={"Software": None})  # type: ignore[dict-item]
    return file.getvalue()
