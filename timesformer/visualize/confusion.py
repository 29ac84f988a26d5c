"""Figures of a validation for TensorBoard: confusion matrices and prediction histograms."""

import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from timesformer.config import CfgNode, ConfigError, portable
from timesformer.datasets.list_lines import text_lines


def figures(cfg: CfgNode, predictions: np.ndarray, labels: np.ndarray) -> dict[str, Figure]:
    """Published tag -> figure, for predicted and true classes (N,).

    Raises:
        ConfigError: a file of TENSORBOARD.* cannot be used.
    """
    board = cfg.TENSORBOARD
    classes = _Classes(cfg)
    matrix = confusion_matrix(labels, predictions, labels=range(cfg.MODEL.NUM_CLASSES))
    made: dict[str, Figure] = {}
    if board.CONFUSION_MATRIX.ENABLE:
        size = board.CONFUSION_MATRIX.FIGSIZE
        made["Confusion Matrix"] = _draw_matrix(matrix, classes.names, size)
        subset = classes.subset(board.CONFUSION_MATRIX.SUBSET_PATH)
        if subset:
            made["Confusion Matrix Subset"] = _draw_part(matrix, subset, classes.names, size)
        for parent, members in classes.categories(board.CATEGORIES_PATH).items():
            tag = f"Confusion Matrices Grouped by Parent Classes/{parent}"
            made[tag] = _draw_part(matrix, members, classes.names, size)
    if board.HISTOGRAM.ENABLE:
        shown = classes.subset(board.HISTOGRAM.SUBSET_PATH) or list(range(len(classes.names)))
        for label in shown:
            tag = f"Top {board.HISTOGRAM.TOPK} predictions by classes/{classes.names[label]}"
            made[tag] = _draw_histogram(matrix[label], classes.names, label, board.HISTOGRAM)
    return made


def check_files(cfg: CfgNode) -> None:
    """Read every file that ``figures`` will read.

    Raises:
        ConfigError: one of them cannot be used.
    """
    board, classes = cfg.TENSORBOARD, _Classes(cfg)
    classes.subset(board.CONFUSION_MATRIX.SUBSET_PATH)
    classes.subset(board.HISTOGRAM.SUBSET_PATH)
    classes.categories(board.CATEGORIES_PATH)


class _Classes:
    """Names and groups of classes, from the files of TENSORBOARD.*."""

    def __init__(self, cfg: CfgNode) -> None:
        self.names = [str(label) for label in range(cfg.MODEL.NUM_CLASSES)]
        self.ids = {name: label for label, name in enumerate(self.names)}
        if path := cfg.TENSORBOARD.CLASS_NAMES_PATH:
            self.ids = {str(name): int(label) for name, label in _read_json(path).items()}
            for name, label in self.ids.items():
                if not 0 <= label < len(self.names):
                    raise ConfigError(
                        f"{path}: class {name!r} has id {label}, but MODEL.NUM_CLASSES is "
                        f"{len(self.names)}"
                    )
                self.names[label] = name

    def subset(self, path: str) -> list[int]:
        """Labels of the names in a text file, one a line; none for an empty path."""
        if not path:
            return []
        return self._labels(text_lines(_read_text(path)), path)

    def categories(self, path: str) -> dict[str, list[int]]:
        """Parent -> labels, from JSON {parent: [names]}."""
        parents = _read_json(path) if path else {}
        return {parent: self._labels(names, path) for parent, names in parents.items()}

    def _labels(self, names: list[str], path: str) -> list[int]:
        wanted = [name.strip() for name in names if name.strip()]
        unknown = [name for name in wanted if name not in self.ids]
        if unknown:
            raise ConfigError(f"{path}: {unknown[0]!r} is not a class of CLASS_NAMES_PATH")
        return [self.ids[name] for name in wanted]


def _read_text(path: str) -> str:
    try:
        return Path(portable(path)).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"TENSORBOARD file {path} cannot be read: {error.strerror}") from error


def _read_json(path: str) -> dict[str, list[str]]:
    try:
        return dict(json.loads(_read_text(path)))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path} is not a JSON object: {error}") from error


def _draw_part(matrix: np.ndarray, part: list[int], names: list[str], size: list[int]) -> Figure:
    return _draw_matrix(matrix[np.ix_(part, part)], [names[label] for label in part], size)


def _draw_matrix(matrix: np.ndarray, names: list[str], size: list[int]) -> Figure:
    """Rows are true classes, scaled to sum to 1."""
    figure = Figure(figsize=tuple(size), layout="constrained")
    axes = figure.add_subplot()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure.colorbar(axes.imshow(shares, cmap="Blues", vmin=0, vmax=1), ax=axes)
    axes.set(xlabel="predicted", ylabel="true")
    if len(names) <= 50:  # more cannot be read
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
    return figure


def _draw_histogram(row: np.ndarray, names: list[str], label: int, options: CfgNode) -> Figure:
    figure = Figure(figsize=tuple(options.FIGSIZE), layout="constrained")
    axes = figure.add_subplot()
    top = np.argsort(-row, kind="stable")[: options.TOPK]
    shares = row[top] / max(row.sum(), 1)
    axes.bar(range(len(top)), shares, color=["C2" if k == label else "C0" for k in top])
    axes.set_xticks(range(len(top)), [names[k] for k in top], rotation=90)
    axes.set(ylabel="share of predictions", title=names[label], ylim=(0, 1))
    return figure
