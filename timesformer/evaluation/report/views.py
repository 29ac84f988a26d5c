"""Accuracy against the number of views, from the scores of single clips: no second forward pass.

n temporal views of V are spread evenly over the video, as a test with n views spreads them. A single
crop is that in the centre.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, softmax

from timesformer.errors import InputError
from timesformer.evaluation.report.intervals import share_interval
from timesformer.evaluation.report.predictions import Predictions
from timesformer.evaluation.report.several_labels import average_precisions, jackknife_interval
from timesformer.files import result_files
from timesformer.io.npz import NPZ_ERRORS
from timesformer.io.terminal import printable

_ROWS = 500  # videos at once


class ViewsError(InputError, ValueError):
    """Scores of single views that are missing or do not fit."""


class ViewScores(NamedTuple):
    """Of N videos in the order of their predictions."""

    scores: (
        np.ndarray
    )  # (N, V, K) float16 logits, V = temporal * crops, crops of a view side by side
    temporal: int
    crops: int
    method: str  # of the ensemble


def read_views(predictions: Predictions) -> ViewScores:
    """The scores of single views beside ``predictions``.

    Raises:
        ViewsError: there are none, or they are of other videos.
    """
    folder, split = predictions.origin.parent, predictions.record.split
    file = folder / result_files(split).views
    try:
        with np.load(file, allow_pickle=False) as found:
            views = ViewScores(
                found["scores"], int(found["temporal"]), int(found["crops"]), str(found["method"])
            )
            paths = [str(path) for path in found["paths"]]
            written_with = str(found.get("predictions_sha256", predictions.sha256))
    except FileNotFoundError:
        raise ViewsError(
            f"{printable(file)} does not exist; test again with TEST.SAVE_VIEWS True"
        ) from None
    except (OSError, *NPZ_ERRORS) as error:
        raise ViewsError(
            f"{printable(file)} is not a file of views: {error}; test again with TEST.SAVE_VIEWS True"
        ) from error
    if written_with != predictions.sha256:
        raise ViewsError(
            f"{printable(file)} is of another test than {printable(predictions.origin)}; test again with "
            "TEST.SAVE_VIEWS True"
        )
    clips, shape = views.temporal * views.crops, views.scores.shape
    if len(shape) != 3 or shape[1] != clips:
        raise ViewsError(
            f"{printable(file)}: {clips} clips of a video, but an array of the shape {shape}; test again "
            "with TEST.SAVE_VIEWS True"
        )
    finite = np.isfinite(views.scores).all(axis=(1, 2))
    rows = np.flatnonzero(finite)
    if [paths[i] for i in rows] != list(predictions.paths) or views.scores.shape[2] != (
        predictions.num_classes
    ):
        raise ViewsError(
            f"{printable(file)} is of other videos or classes than {printable(predictions.origin)}; test "
            "again with TEST.SAVE_VIEWS True"
        )
    return views._replace(scores=views.scores[rows])


def view_curve(
    predictions: Predictions, views: ViewScores, groups: np.ndarray | None
) -> dict[str, Any]:
    """Accuracy, or mAP, in percent for 1 .. V temporal views, with one crop and with all."""
    seconds = _seconds_of_clip(predictions, views)
    points = []
    for crops in sorted({1, views.crops}):
        for count in range(1, views.temporal + 1):
            scores = ensembled(views, chosen_clips(views, count, crops))
            value, interval = _measure(predictions, scores, groups)
            clips = count * crops
            points.append(
                {
                    "temporal": count,
                    "crops": crops,
                    "clips": clips,
                    "value": value,
                    "interval": interval,
                    "milliseconds": None if seconds is None else 1000 * seconds * clips,
                }
            )
    note = "The time of a clip is that of the whole test, reading included, divided by its clips."
    return {
        "metric": "map" if predictions.is_multi_label else "top1",
        "points": points,
        "note": note if seconds is not None else "The run does not say how long its test took.",
    }


def chosen_clips(views: ViewScores, count: int, crops: int) -> np.ndarray:
    """Places of the clips of ``count`` evenly spread temporal views."""
    if count == 1:
        chosen = np.array([(views.temporal - 1) // 2])
    else:
        chosen = np.linspace(0, views.temporal - 1, count).round().astype(int)
    sides = np.arange(views.crops) if crops > 1 else np.array([min(views.crops - 1, 1)])
    return np.asarray((chosen[:, None] * views.crops + sides).ravel())


def ensembled(views: ViewScores, clips: np.ndarray) -> np.ndarray:
    """The scores (N, K) of a test with these clips, as ``DATA.ENSEMBLE_METHOD`` says."""
    parts = []
    for start in range(0, len(views.scores), _ROWS):
        logits = views.scores[start : start + _ROWS, clips].astype(np.float32)
        if views.method == "max":
            parts.append(logits.max(axis=1))
        elif views.method == "softmax":
            parts.append(softmax(logits, axis=2).mean(axis=1))
        elif views.method == "sigmoid":
            parts.append(expit(logits).mean(axis=1))
        else:
            parts.append(logits.sum(axis=1))
    found: np.ndarray = np.concatenate(parts)
    return found


def _measure(
    predictions: Predictions, scores: np.ndarray, groups: np.ndarray | None
) -> tuple[float, list[float] | None]:
    if predictions.is_multi_label:
        found = average_precisions(scores, predictions.labels, groups)
        value, interval = found.mean, jackknife_interval(found.mean, found.means_without)
    else:
        right = scores.argmax(axis=1) == predictions.labels
        value, interval = float(right.mean()), share_interval(right, groups)
    limits = None if interval is None else [100 * interval.low, 100 * interval.high]
    return 100 * value, limits


def _seconds_of_clip(predictions: Predictions, views: ViewScores) -> float | None:
    seconds = predictions.record.result("seconds")
    if not isinstance(seconds, int | float) or seconds <= 0:
        return None
    clips = predictions.record.result(
        "clips"
    )  # more than the views, if several protocols were tested
    clips = clips if isinstance(clips, int) and clips > 0 else views.temporal * views.crops
    return float(seconds) / (len(predictions.paths) * clips)
