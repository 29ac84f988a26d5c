"""The report of one test: every figure of its page, from the predictions alone.

The dictionary of ``build_report`` is ``report.json``; its layout is in ``schema.json``. Accuracies are in
percent, figures of calibration in 0 .. 1. The same inputs give the same bytes.
"""

from typing import Any

import numpy as np

from timesformer.evaluation.report import several_labels, validation, views
from timesformer.evaluation.report.alignment import align, require_same_classes
from timesformer.evaluation.report.calibration import calibration, coverage_curve
from timesformer.evaluation.report.classes import (
    class_rows,
    clustered_order,
    confused_pairs,
    confusion_counts,
    frequency_correlation,
    macro_f1,
    mean_class_accuracy,
    percent,
)
from timesformer.evaluation.report.groups import AUTO, Groups, find_groups
from timesformer.evaluation.report.intervals import Interval, share_interval
from timesformer.evaluation.report.predictions import LIMITED, Predictions
from timesformer.evaluation.report.probabilities import (
    class_logits,
    class_probabilities,
    log_likelihood,
    score_kind,
)
from timesformer.evaluation.report.suspects import gallery
from timesformer.evaluation.report.temperature import Temperature
from timesformer.evaluation.report.train_list import TrainList
from timesformer.evaluation.report.training import training_curves
from timesformer.visualize.schema import SCHEMA_VERSION


def build_report(
    predictions: Predictions,
    *,
    group: str = AUTO,
    temperature: Temperature | None = None,
    against: Predictions | None = None,
    train: TrainList | None = None,
    with_views: bool = False,
) -> dict[str, Any]:
    """All figures of ``predictions``, as JSON holds them.

    Args:
        predictions: of a test.
        group: see ``find_groups``.
        temperature: to compare calibration with and without.
        against: another run on the same list; classes get their change against it, on the videos that
            both have scores of.
        train: what the accuracy of classes is compared with.
        with_views: read the scores of single views beside the predictions.

    Raises:
        GroupError: there are no such groups.
        ComparisonError: ``against`` has other classes, another list, or other labels.
        ViewsError: there are no scores of single views, or of other videos.
    """
    groups = find_groups(predictions, group)
    body = _several if predictions.is_multi_label else _single
    views_found = None
    if with_views:
        views_found = views.view_curve(predictions, views.read_views(predictions), groups.codes)
    report = {
        "schema_version": SCHEMA_VERSION,
        "kind": "report",
        "task": "multi_label" if predictions.is_multi_label else "single_label",
        "run": _run(predictions) | {"against": None if against is None else run_name(against)},
        "classes": {
            "count": predictions.num_classes,
            "with_videos": int(_support(predictions).astype(bool).sum()),
            "names": [predictions.name(k) for k in range(predictions.num_classes)],
        },
        "videos": _videos(predictions),
        "scores": score_kind(predictions)._asdict(),
        "groups": {"by": groups.by, "count": groups.number},
        **body(predictions, groups, temperature, against, train),
        "views": views_found,
    }
    report["training"] = training_curves(predictions.record)
    report["validation"] = validation.against_test(predictions.record, report["accuracy"])
    return report


def run_name(predictions: Predictions) -> str:
    """The last name of the folder that the predictions lie in."""
    return predictions.origin.parent.resolve().name


def _run(predictions: Predictions) -> dict[str, Any]:
    record = predictions.record
    facts = ("list", "weights", "protocol", "attention_type", "limited")
    return {
        "name": run_name(predictions),
        "predictions": predictions.origin.name,
        "sha256": predictions.sha256,
        "split": record.split,
        "has_paths": predictions.has_paths,
        **{name: record.result(name) for name in facts},
    }


def _videos(predictions: Predictions) -> dict[str, int]:
    limited = sum(reason == LIMITED for _, reason in predictions.failures)
    return {
        "total": predictions.total,
        "scored": len(predictions.paths),
        "unreadable": len(predictions.failures) - limited,
        "left_out": limited,
    }


def _support(predictions: Predictions) -> np.ndarray:
    """Videos of each class, (K,)."""
    if predictions.is_multi_label:
        return np.asarray(predictions.labels.sum(axis=0))
    return np.bincount(predictions.labels, minlength=predictions.num_classes)


def _single(
    predictions: Predictions,
    groups: Groups,
    temperature: Temperature | None,
    against: Predictions | None,
    train: TrainList | None,
) -> dict[str, Any]:
    """The figures of one label a video."""
    probabilities = class_probabilities(predictions)
    labels, predicted = predictions.labels, predictions.predicted
    confidence = probabilities[np.arange(len(labels)), predicted]
    counts = confusion_counts(predictions)
    rows = class_rows(
        predictions,
        counts,
        groups.codes,
        train_videos=None if train is None else train.videos,
        change=None if against is None else class_changes(predictions, against),
    )
    calibrated = calibration(probabilities, labels, predicted, groups.codes)
    calibrated["temperature"] = _with_temperature(predictions, groups, temperature)
    return {
        "accuracy": accuracies(predictions, groups),
        "per_class": rows,
        "confusion": counts.tolist(),
        "confusion_order": clustered_order(counts),
        "confused_pairs": confused_pairs(predictions, counts, confidence),
        "training_frequency": _frequency([row["accuracy"] for row in rows], train),
        "calibration": calibrated,
        "coverage": coverage_curve(confidence, labels == predicted),
        "gallery": gallery(predictions, probabilities),
    }


def _several(
    predictions: Predictions,
    groups: Groups,
    _: Temperature | None,
    against: Predictions | None,
    train: TrainList | None,
) -> dict[str, Any]:
    """The figures of several labels a video."""
    found = several_labels.average_precisions(predictions.scores, predictions.labels, groups.codes)
    rows = several_labels.precision_rows(
        predictions,
        found,
        train_videos=None if train is None else train.videos,
        change=None if against is None else class_changes(predictions, against),
    )
    return {
        "accuracy": accuracies(predictions, groups, found),
        "per_class": rows,
        "confusion": None,
        "confusion_order": None,
        "confused_pairs": [],
        "training_frequency": _frequency([row["average_precision"] for row in rows], train),
        "calibration": None,
        "coverage": [],
        "gallery": {"confident_errors": [], "least_certain": [], "mislabelled": []},
    }


def _frequency(scores: list[float | None], train: TrainList | None) -> dict[str, Any] | None:
    """Whether classes with more training videos have higher scores."""
    if train is None:
        return None
    nothing: dict[str, Any] = {"spearman": None, "p": None}
    return {"list": train.origin, **(frequency_correlation(scores, train.videos) or nothing)}


def class_accuracies(predictions: Predictions) -> np.ndarray:
    """(K,) accuracy, of several labels average precision, in percent; nan without videos."""
    if predictions.is_multi_label:
        found = several_labels.average_precisions(predictions.scores, predictions.labels, None)
        return 100 * found.of_class
    support = _support(predictions)
    right = predictions.labels[predictions.labels == predictions.predicted]
    hits = np.bincount(right, minlength=predictions.num_classes)
    nothing = np.full(len(support), np.nan)
    return np.asarray(np.divide(100.0 * hits, support, out=nothing, where=support > 0))


def class_changes(predictions: Predictions, against: Predictions) -> np.ndarray:
    """(K,) points that ``predictions`` exceed ``against`` by, of the videos of both; nan without any."""
    runs, names = (predictions, against), [str(predictions.origin), str(against.origin)]
    require_same_classes(runs, names)
    own, other = align(runs, names, common=False, remedy="--against needs a run on the same list")
    return np.asarray(class_accuracies(own) - class_accuracies(other))


def _with_temperature(
    predictions: Predictions, groups: Groups, temperature: Temperature | None
) -> dict[str, Any] | None:
    if temperature is None:
        return None
    logits = class_logits(predictions) / temperature.value
    found = calibration(
        class_probabilities(predictions, temperature.value),
        predictions.labels,
        predictions.predicted,
        groups.codes,
    )
    facts = {
        "value": temperature.value,
        "fitted_on": temperature.fitted_on,
        "sha256": temperature.sha256,
        "videos": temperature.videos,
    }
    return facts | found | {"log_likelihood": log_likelihood(logits, predictions.labels)}


def accuracies(
    predictions: Predictions,
    groups: Groups,
    precisions: several_labels.Precisions | None = None,
) -> dict[str, Any]:
    """The headline figures, each with its interval; percent."""
    if predictions.is_multi_label:
        found = precisions or several_labels.average_precisions(
            predictions.scores, predictions.labels, groups.codes
        )
        interval = several_labels.jackknife_interval(found.mean, found.means_without)
        shares = predictions.labels.mean(axis=0)
        chance = 100 * float(shares[shares > 0].mean()) if shares.any() else None
        return {"map": figure(found.mean, interval), "chance": {"value": chance}}
    unreadable = _videos(predictions)["unreadable"]
    found_mean = mean_class_accuracy(predictions, groups.codes)
    return {
        **{f"top{k}": _share(right_in_top(predictions, k), groups, unreadable) for k in (1, 5)},
        "mean_class": figure(*found_mean),
        "macro_f1": figure(*macro_f1(predictions, groups.codes)),
        "chance": {"value": 100 / predictions.num_classes},
        "majority": {"value": 100 * float(_support(predictions).max() / len(predictions.labels))},
    }


def right_in_top(predictions: Predictions, k: int) -> np.ndarray:
    """Whether the label is among the ``k`` highest scores, (N,) bool; of equal ones the first count."""
    if k == 1:
        return np.asarray(predictions.labels == predictions.predicted)
    scores, labels = predictions.scores, predictions.labels
    own = scores[np.arange(len(labels)), labels][:, None]
    before = np.arange(scores.shape[1]) < labels[:, None]
    rank = ((scores > own) | ((scores == own) & before)).sum(axis=1)
    return np.asarray((rank < k) | (labels == predictions.predicted))


def _share(right: np.ndarray, groups: Groups, unreadable: int) -> dict[str, Any]:
    total = len(right) + unreadable
    return figure(float(right.mean()), share_interval(right, groups.codes)) | {
        "if_unreadable_wrong": 100 * float(right.sum() / total),
        "if_unreadable_right": 100 * float((right.sum() + unreadable) / total),
    }


def figure(value: float, interval: Interval | None) -> dict[str, Any]:
    """A value 0 .. 1 and its interval, in percent."""
    if interval is None:
        return {"value": 100 * value, "interval": None, "method": "not defined"}
    return {"value": 100 * value, "interval": percent(interval), "method": interval.method}
