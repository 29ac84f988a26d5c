"""Predictions of other programs in pickles: the published code's, and mmaction2's ``--dump``.

    [scores (N, K), labels (N,) or (N, K)]                    TEST.SAVE_RESULTS_PATH
    [{"pred_score": (K,), "gt_label": (1,)}, ...]             mmaction2 1.1 and later
    [{"pred_scores": {"item": (K,)}, "gt_labels": {"item": (1,)}}, ...]    mmaction2 1.0

They hold no paths as a rule: videos are called row 0, row 1, ... in the order of the file. Nothing in
a pickle is ever run, see ``checkpoint.formats.pickles``.
"""

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from timesformer.evaluation.report.predictions import Predictions, PredictionsError, assemble
from timesformer.evaluation.report.records import RunRecord
from timesformer.io.terminal import first_line, printable

_PICKLE, _ZIP = b"\x80", b"PK"  # the first bytes of pickles since protocol 2, and of archives
_REFUSED = re.compile(r"(?:[Uu]nsupported (?:global: )?GLOBAL|[Uu]nsupported class) ([\w.]+)")
_SCORES = ("pred_score", "pred_scores")  # of mmaction2's dictionaries
_LABELS = ("gt_label", "gt_labels")
_NAMES = ("filename", "frame_dir", "video_id")  # of them, where the pipeline keeps one
_WANTED = (
    "predictions are [scores (videos, classes), labels] of TEST.SAVE_RESULTS_PATH, or a list of "
    "dictionaries with pred_score and gt_label of mmaction2's --dump"
)
_CSV = "write a CSV with the columns path, label, score_0, score_1, ... instead"


def is_pickled(content: bytes) -> bool:
    """Whether a file is a pickle or an archive, by its first bytes, and no CSV."""
    return content.startswith((_PICKLE, _ZIP))


def read_pickled(file: Path, content: bytes, record: RunRecord) -> Predictions:
    """The predictions of a pickle.

    Args:
        file: where it is.
        content: its bytes.
        record: what the folder says of the run.

    Raises:
        PredictionsError: it has another layout, code in it, or no labels.
    """
    try:
        found = _load(file, content)
        if isinstance(found, list | tuple) and len(found) == 2 and not _is_dump(found):
            made = _published(found)
        elif isinstance(found, list | tuple):
            made = _dumped(found)
        else:
            raise _LayoutError(f"it holds {_describe(found)}; {_WANTED}")
        made = _checked(*made)
    except _LayoutError as error:
        raise PredictionsError(f"{printable(file)}: {error}") from error
    return _assemble(file, content, record, made)


class _LayoutError(Exception):
    """What is wrong with the content of a pickle, without its name."""


_Arrays = tuple[np.ndarray, np.ndarray, Sequence[str]]  # scores, labels, names or none


def _load(file: Path, content: bytes) -> Any:
    """The object of a pickle, or of a file of ``torch.save``; nothing of it is run."""
    from timesformer.checkpoint.formats.pickles import read_pickle
    from timesformer.checkpoint.formats.torch_file import TORCH, is_torch_file, read_torch
    from timesformer.checkpoint.formats.torch_tensors import CONSTANTS

    try:
        if is_torch_file(file):
            return read_torch(file)
        return read_pickle(content, TORCH, CONSTANTS)
    except zipfile.BadZipFile as error:
        raise _LayoutError(
            f"it is a damaged archive ({first_line(error)}); copy it again"
        ) from error
    except Exception as error:  # parsers raise any kind of error
        if refused := _REFUSED.search(str(error)):
            raise _LayoutError(
                f"it holds {printable(refused[1][:80])}, and code in a file is never run; {_CSV}"
            ) from error
        kind = "an archive" if content.startswith(_ZIP) else "a pickle"
        raise _LayoutError(
            f"it is not {kind} of predictions ({first_line(error) or type(error).__name__}); {_WANTED}"
        ) from error


def _published(found: Sequence[Any]) -> _Arrays:
    scores, labels = (_array(part) for part in found)
    if scores is None or labels is None:
        raise _LayoutError(f"it holds {_describe(found)}; {_WANTED}")
    if scores.ndim == labels.ndim == 1 and np.array_equal(scores, labels):
        raise _LayoutError(
            "it holds the labels twice and no scores: the published code stores them so; test with this "
            "project, which writes the scores"
        )
    if scores.ndim != 2 or labels.ndim not in (1, 2) or len(labels) != len(scores):
        raise _LayoutError(
            f"it holds scores of the shape {scores.shape} and labels of the shape {labels.shape}; "
            f"{_WANTED}"
        )
    if labels.ndim == 2 and labels.shape != scores.shape:
        raise _LayoutError(
            f"it holds labels of {labels.shape[1]} classes and scores of {scores.shape[1]}; they must "
            "be the same classes"
        )
    return scores, labels if labels.ndim == 1 else labels > 0, ()


def _is_dump(found: Sequence[Any]) -> bool:
    return all(isinstance(part, Mapping) for part in found)


def _dumped(found: Sequence[Any]) -> _Arrays:
    if not found:
        raise _LayoutError(f"it holds an empty list; {_WANTED}")
    if not _is_dump(found):
        if all(_array(part) is not None for part in found):
            raise _LayoutError(
                "it is a list of arrays, so the labels are missing, as mmaction2 0.x writes it with "
                f"--out; {_CSV}"
            )
        raise _LayoutError(f"it holds {_describe(found)}; {_WANTED}")
    scores = [_entry(part, i, _SCORES) for i, part in enumerate(found)]
    labels = [_entry(part, i, _LABELS) for i, part in enumerate(found)]
    sizes = {row.shape for row in scores}
    if len(sizes) > 1 or len(scores[0].shape) != 1:
        shapes = ", ".join(map(str, sorted(sizes)[:3]))
        raise _LayoutError(
            f"its scores have the shapes {shapes}; they must be (classes,) everywhere"
        )
    stacked = np.stack(scores)
    return stacked, _dumped_labels(labels, stacked.shape[1]), _dumped_names(found)


def _entry(part: Mapping[str, Any], row: int, names: Sequence[str]) -> np.ndarray:
    """The array of a dictionary under one of two names, itself or as its only item."""
    name = next((name for name in names if name in part), None)
    if name is None:
        keys = ", ".join(printable(key) for key in list(part)[:6])
        raise _LayoutError(
            f"the dictionary of row {row} has neither {' nor '.join(names)} (but {keys}); {_WANTED}"
        )
    value = part[name]
    if isinstance(value, Mapping):
        if "item" not in value and len(value) != 1:
            raise _LayoutError(
                f"{name} of row {row} has several entries ({', '.join(map(printable, value))}); "
                f"which one counts is not known: {_CSV}"
            )
        value = value["item"] if "item" in value else next(iter(value.values()))
    found = _array([value] if isinstance(value, int | float) else value)
    if found is None:
        raise _LayoutError(f"{name} of row {row} is {_describe(value)}, not an array; {_WANTED}")
    return found


def _dumped_labels(labels: Sequence[np.ndarray], num_classes: int) -> np.ndarray:
    """(N,) of videos that have one label each, else (N, K) bool of numbers of classes, or of 0 and 1."""
    rows = [label.reshape(-1) for label in labels]
    if all(len(row) == 1 for row in rows):
        return np.concatenate(rows)
    if all(len(row) == num_classes and set(row.tolist()) <= {0, 1} for row in rows):
        return np.stack(rows) > 0
    hot = np.zeros((len(rows), num_classes), dtype=bool)
    for i, row in enumerate(rows):
        if len(row) and not (row.min() >= 0 and row.max() < num_classes):
            raise _LayoutError(
                f"row {i} has the labels {row.tolist()[:4]}, but there are scores of the classes "
                f"0 .. {num_classes - 1}"
            )
        hot[i, row.astype(np.int64)] = True
    return hot


def _dumped_names(found: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    for name in _NAMES:
        texts = [part.get(name) for part in found]
        if all(isinstance(text, str) and text for text in texts) and len({*texts}) == len(texts):
            return [str(text) for text in texts]
    return ()


def _array(value: Any) -> np.ndarray | None:
    """A tensor, an array or a list of numbers as an array; None of anything else."""
    from torch import Tensor

    if isinstance(value, Tensor):
        try:
            value = value.float().numpy() if value.is_floating_point() else value.numpy()
        except (RuntimeError, TypeError):  # of no plain numbers
            return None
    elif isinstance(value, list) and all(isinstance(part, int | float) for part in value):
        value = np.array(value)
    if not isinstance(value, np.ndarray | np.generic) or value.dtype.kind not in "biuf":
        return None
    return np.asarray(value)


def _checked(scores: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> _Arrays:
    """(N, K) float64 and (N,) int64 or (N, K) bool."""
    if scores.shape[1] < 2:
        raise _LayoutError("scores of 1 class; a report needs those of 2 or more")
    if labels.ndim == 1:
        numbers = labels.astype(np.float64)
        if not (np.isfinite(numbers) & (numbers == np.trunc(numbers))).all():
            raise _LayoutError(f"its labels are not whole numbers; {_CSV}")
        labels = labels.astype(np.int64)
    return scores.astype(np.float64), labels, names


def _assemble(file: Path, content: bytes, record: RunRecord, made: _Arrays) -> Predictions:
    scores, labels, names = made
    paths = list(names) or [f"row {i}" for i in range(len(scores))]
    empty = np.isnan(scores).all(axis=1) | (scores == 0).all(axis=1)
    rows, failed = np.flatnonzero(~empty), np.flatnonzero(empty)
    kept = [paths[i] for i in rows]
    return assemble(
        file,
        content,
        record,
        paths=kept,
        keys=kept,
        labels=labels[rows],
        scores=scores[rows],
        names=record.class_names if len(record.class_names) == scores.shape[1] else (),
        failures=tuple((paths[i], "no scores in the file") for i in failed),
        failed_paths=tuple(paths[i] for i in failed),
        failed_labels=labels[failed],
        places=rows,
        has_paths=bool(names),
    )


def _describe(value: Any) -> str:
    """What a value is, in a few words."""
    from timesformer.checkpoint.formats.pickles import Unknown

    if isinstance(value, Mapping):
        keys = [printable(str(key)[:30]) for key in list(value)[:4]]
        return f"a dictionary ({', '.join(keys)}{', ...' * (len(value) > 4)})"
    array = _array(value)
    if array is not None:
        return f"an array of the shape {array.shape}"
    if isinstance(value, list | tuple):
        kinds = ", ".join(dict.fromkeys(type(part).__name__ for part in value[:50]))
        return f"a {type(value).__name__} of {len(value)} ({kinds})"
    if isinstance(value, Unknown):
        return f"an object of the class {printable(value.name[:80])}"
    return f"a {type(value).__name__}"
