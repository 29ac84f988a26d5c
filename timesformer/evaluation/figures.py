"""The figures of a validation for TensorBoard: which ones, of which classes.

They are drawn from scores (N, K) and labels (N,), of several labels a video (N, K), by the functions
that also draw those of a report.
"""

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
from timesformer.evaluation.report.predictions import Predictions
from timesformer.evaluation.report.records import RunRecord
from timesformer.evaluation.report.report import build_report
from timesformer.visualize.confusion import draw_histograms, draw_matrices
from timesformer.visualize.figure_files import FIGURES, figure_names

Draw = Callable[[np.ndarray, np.ndarray], dict[str, Figure]]  # scores, labels -> tag -> figure


def build_figures(cfg: CfgNode) -> Draw | None:
    """A function from scores and labels to tag -> figure; None if none are wanted.

    The tags of matrices and histograms are the published ones.

    Raises:
        ConfigError: a file of TENSORBOARD.* cannot be used.
    """
    board, num_classes = cfg.TENSORBOARD, cfg.MODEL.NUM_CLASSES
    matrix, histogram = board.CONFUSION_MATRIX, board.HISTOGRAM
    if not (board.ENABLE and (matrix.ENABLE or histogram.ENABLE or board.REPORT.ENABLE)):
        return None
    ids = _class_ids(board.CLASS_NAMES_PATH, num_classes)
    names = [str(label) for label in range(num_classes)]
    for name, label in ids.items():
        names[label] = name
    of_matrix, of_histogram = (_subset(part.SUBSET_PATH, ids) for part in (matrix, histogram))
    groups = _groups(board.CATEGORIES_PATH, ids)
    drawn: list[Draw] = []
    if matrix.ENABLE:
        look = partial(draw_matrices, size=matrix.FIGSIZE, subset=of_matrix, groups=groups)
        drawn.append(partial(_of_counts, look, names))
    if histogram.ENABLE:
        shown = of_histogram or list(range(num_classes))
        look = partial(draw_histograms, size=histogram.FIGSIZE, subset=shown, top=histogram.TOPK)
        drawn.append(partial(_of_counts, look, names))
    if board.REPORT.ENABLE:
        drawn.append(partial(_of_report, names))

    def figures(scores: np.ndarray, labels: np.ndarray) -> dict[str, Figure]:
        return {tag: figure for draw in drawn for tag, figure in draw(scores, labels).items()}

    return figures


def _of_counts(
    draw: Callable[[np.ndarray, list[str]], dict[str, Figure]],
    names: list[str],
    scores: np.ndarray,
    labels: np.ndarray,
) -> dict[str, Figure]:
    """Figures of the counts of true and predicted classes."""
    return draw(confusion_matrix(labels, scores.argmax(axis=1), labels=range(len(names))), names)


def _of_report(names: list[str], scores: np.ndarray, labels: np.ndarray) -> dict[str, Figure]:
    """The figures of a report on this validation."""
    paths = tuple(map(str, range(len(labels))))
    origin, record = Path("validation"), RunRecord(split="val")
    scores = scores.astype(np.float64)
    labels = labels.astype(bool) if labels.ndim == 2 else labels
    predictions = Predictions(
        origin, "", paths, paths, labels, scores, scores.argmax(axis=1), tuple(names), record=record
    )
    report = build_report(predictions, group="none")
    return {f"Report/{name}": FIGURES[name].draw(report) for name in figure_names(report)}


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
