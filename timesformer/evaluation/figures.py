"""The figures of a validation for TensorBoard: which ones, of which classes."""

import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from timesformer.config import CfgNode, ConfigError, portable
from timesformer.datasets.list_text import text_lines
from timesformer.visualize.confusion import draw_histograms, draw_matrices


def build_figures(cfg: CfgNode) -> Callable[[np.ndarray, np.ndarray], dict[str, Figure]]:
    """A function from predicted and true classes, each (N,), to published tag -> figure.

    Raises:
        ConfigError: a file of TENSORBOARD.* cannot be used.
    """
    board, num_classes = cfg.TENSORBOARD, cfg.MODEL.NUM_CLASSES
    matrix, histogram = board.CONFUSION_MATRIX, board.HISTOGRAM
    ids = _class_ids(board.CLASS_NAMES_PATH, num_classes)
    names = [str(label) for label in range(num_classes)]
    for name, label in ids.items():
        names[label] = name
    of_matrix, of_histogram = (_subset(part.SUBSET_PATH, ids) for part in (matrix, histogram))
    groups = _groups(board.CATEGORIES_PATH, ids)
    drawn: list[Callable[[np.ndarray, list[str]], dict[str, Figure]]] = []
    if matrix.ENABLE:
        drawn.append(partial(draw_matrices, size=matrix.FIGSIZE, subset=of_matrix, groups=groups))
    if histogram.ENABLE:
        shown = of_histogram or list(range(num_classes))
        drawn.append(
            partial(draw_histograms, size=histogram.FIGSIZE, subset=shown, top=histogram.TOPK)
        )

    def figures(predictions: np.ndarray, labels: np.ndarray) -> dict[str, Figure]:
        counts = confusion_matrix(labels, predictions, labels=range(num_classes))
        return {tag: figure for draw in drawn for tag, figure in draw(counts, names).items()}

    return figures


def _class_ids(path: str, num_classes: int) -> dict[str, int]:
    """Name -> label, from JSON; names are numbers for an empty path."""
    if not path:
        return {str(label): label for label in range(num_classes)}
    ids = {str(name): int(label) for name, label in _read_json(path).items()}
    for name, label in ids.items():
        if not 0 <= label < num_classes:
            raise ConfigError(
                f"{path}: class {name!r} has id {label}, but MODEL.NUM_CLASSES is {num_classes}"
            )
    return ids


def _subset(path: str, ids: dict[str, int]) -> list[int]:
    """Labels of the names in a text file, one a line; none for an empty path."""
    return _labels(text_lines(_read_text(path)), ids, path) if path else []


def _groups(path: str, ids: dict[str, int]) -> dict[str, list[int]]:
    """Parent -> labels, from JSON {parent: [names]}; none for an empty path."""
    parents = _read_json(path) if path else {}
    return {parent: _labels(names, ids, path) for parent, names in parents.items()}


def _labels(names: Iterable[str], ids: dict[str, int], path: str) -> list[int]:
    wanted = [name.strip() for name in names if name.strip()]
    unknown = [name for name in wanted if name not in ids]
    if unknown:
        raise ConfigError(f"{path}: {unknown[0]!r} is not a class of CLASS_NAMES_PATH")
    return [ids[name] for name in wanted]


def _read_text(path: str) -> str:
    try:
        return Path(portable(path)).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"TENSORBOARD file {path} cannot be read: {error.strerror}") from error


def _read_json(path: str) -> dict[str, Any]:
    try:
        return dict(json.loads(_read_text(path)))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path} is not a JSON object: {error}") from error
