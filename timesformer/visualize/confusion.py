"""Confusion matrices and prediction histograms, from counts (true classes, predicted classes)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from timesformer.visualize.figure_style import plain

_MOST_LABELS = 50  # of an axis; more cannot be read


def draw_matrices(
    counts: np.ndarray,
    names: Sequence[str],
    *,
    size: Sequence[float],
    subset: Sequence[int] = (),
    groups: Mapping[str, Sequence[int]],
) -> dict[str, Figure]:
    """The matrix of all classes, of ``subset`` if there is one, and of each group; inches: ``size``."""
    parts: dict[str, Sequence[int]] = {"Confusion Matrix": range(len(names))}
    if subset:
        parts["Confusion Matrix Subset"] = subset
    for parent, members in groups.items():
        parts[f"Confusion Matrices Grouped by Parent Classes/{parent}"] = members
    return {
        tag: _draw_matrix(counts[np.ix_(part, part)], [names[label] for label in part], size)
        for tag, part in parts.items()
    }


def draw_histograms(
    counts: np.ndarray,
    names: Sequence[str],
    *,
    size: Sequence[float],
    subset: Sequence[int],
    top: int,
) -> dict[str, Figure]:
    """The ``top`` most frequent predictions for each class of ``subset``."""
    return {
        f"Top {top} predictions by classes/{names[label]}": _draw_histogram(
            counts[label], names, label, top=top, size=size
        )
        for label in subset
    }


def _draw_matrix(counts: np.ndarray, names: Sequence[str], size: Sequence[float]) -> Figure:
    """Rows are true classes, scaled to sum to 1."""
    figure = Figure(figsize=(size[0], size[1]), layout="constrained")
    axes = figure.add_subplot()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure.colorbar(axes.imshow(shares, cmap="Blues", vmin=0, vmax=1), ax=axes)
    axes.set(xlabel="predicted", ylabel="true")
    if len(names) <= _MOST_LABELS:
        shown = [plain(name) for name in names]
        axes.set_xticks(range(len(names)), shown, rotation=90)
        axes.set_yticks(range(len(names)), shown)
    return figure


def _draw_histogram(
    row: np.ndarray, names: Sequence[str], label: int, *, top: int, size: Sequence[float]
) -> Figure:
    figure = Figure(figsize=(size[0], size[1]), layout="constrained")
    axes = figure.add_subplot()
    likeliest = np.argsort(-row, kind="stable")[:top]
    shares = row[likeliest] / max(row.sum(), 1)
    colours = ["C2" if k == label else "C0" for k in likeliest]
    axes.bar(range(len(likeliest)), shares, color=colours)
    axes.set_xticks(range(len(likeliest)), [plain(names[k]) for k in likeliest], rotation=90)
    axes.set(ylabel="share of predictions", title=plain(names[label]), ylim=(0, 1))
    return figure
