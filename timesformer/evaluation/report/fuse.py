"""Late fusion: the weighted mean of the class probabilities of runs on the same videos.

Weights are fitted on predictions of val, never on those of the test that they are used for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from timesformer.evaluation.report.alignment import (
    ComparisonError,
    align,
    by_place,
    require_same_classes,
    rows_of,
)
from timesformer.evaluation.report.fusion_weights import (
    FusionError,
    Weights,
    equal_weights,
    fit_weights,
    given_weights,
)
from timesformer.evaluation.report.predictions import (
    LIMITED,
    Predictions,
    PredictionsError,
    read_predictions,
)
from timesformer.evaluation.report.probabilities import class_probabilities
from timesformer.evaluation.report.records import weights_differ
from timesformer.files import CONFIG, PREDICTIONS, result_files
from timesformer.io.terminal import printable

AUTO = "auto"  # weights that are fitted on val


@dataclass(frozen=True)
class Fused:
    """The fusion of one list of T videos, of which N have scores in all runs."""

    runs: tuple[Predictions, ...]  # what was fused, whole
    names: tuple[str, ...]  # of the runs
    weights: Weights
    paths: tuple[str, ...]  # T
    labels: np.ndarray  # (T,) int64, or (T, K) bool
    indices: np.ndarray  # (N,) of the videos with scores, ascending
    probabilities: np.ndarray  # (N, K)
    failures: dict[int, str]  # index -> reason
    spans: dict[int, tuple[float, float, float] | None]  # index -> start, end, duration; or empty
    class_names: tuple[str, ...]  # K, or none


class Fusion(NamedTuple):
    """What ``fuse`` makes: of the test, of val if all runs have it, and why not if they have."""

    test: Fused
    val: Fused | None
    why_no_val: str


def fuse(paths: Sequence[Path], *, weights: Sequence[str] = (), common: bool = False) -> Fusion:
    """The fusion of the tests of runs, and of their predictions of val.

    Args:
        paths: 2 or more folders or files of predictions.
        weights: numbers, one a run; AUTO alone: fitted on val; none: equal ones.
        common: fuse the videos that all lists have, if the lists differ.

    Raises:
        PredictionsError: a run has none that can be used.
        ComparisonError: the runs differ in classes, lists or labels.
        FusionError: there are wrong weights, or no predictions of val that weights can be fitted on.
    """
    if len(paths) < 2:
        raise FusionError(f"{len(paths)} run; a fusion needs 2 or more")
    names = [str(path) for path in paths]
    tests = [read_predictions(path) for path in paths]
    _check_distinct(tests)
    require_same_classes(tests, names)
    joined = align(tests, names, common=common)
    is_fitted = list(weights) == [AUTO]
    numbers = [] if is_fitted else [float(number) for number in weights]
    found = given_weights(numbers, len(tests)) if numbers else equal_weights(len(tests))
    val: Fused | None
    if is_fitted:
        validation = _read_val(tests)
        _check_val(tests, validation, names)
        joined_val = align(validation, [str(run.origin) for run in validation], common=common)
        found = fit_weights(joined_val)
        val, why = _fused(validation, joined_val, names, found), ""
    else:
        val, why = _val_if_there(tests, names, found, common=common)
    return Fusion(_fused(tests, joined, names, found), val, why)


def _check_distinct(runs: Sequence[Predictions]) -> None:
    seen: dict[Path, Path] = {}
    for run in runs:
        file = run.origin.resolve()
        if file in seen:
            raise FusionError(
                f"{printable(run.origin)} is named twice; give it a larger weight instead"
            )
        seen[file] = run.origin


def _val_file(test: Predictions) -> Path:
    """Where the predictions of val of a run are."""
    return test.origin.with_name(result_files("val").predictions)


def _read_val(tests: Sequence[Predictions]) -> list[Predictions]:
    for test in tests:
        if test.origin.name != PREDICTIONS:
            raise FusionError(
                f"{printable(test.origin)} is a file alone, and weights are fitted on the val predictions "
                "in the OUTPUT_DIR of a run; name folders, or give numbers as --weights"
            )
        if not _val_file(test).is_file():
            config = test.origin.with_name(CONFIG)
            remedy = f"make it by timesformer test --cfg {printable(config)} TEST.SPLIT val"
            raise FusionError(
                f"{printable(_val_file(test))} does not exist, and weights are fitted on val, never on "
                f"test; {remedy if config.is_file() else 'put it there, or give numbers as --weights'}"
            )
    return [read_predictions(_val_file(test)) for test in tests]


def _check_val(
    tests: Sequence[Predictions], validation: Sequence[Predictions], names: Sequence[str]
) -> None:
    """Whether weights of ``validation`` say something of ``tests``, and learn nothing from them."""
    tested = {path for run in tests for path in (*run.paths, *run.failed_paths)}
    for test, val, name in zip(tests, validation, names, strict=True):
        both = [path for path in (*val.paths, *val.failed_paths) if path in tested]
        if both:
            raise FusionError(
                f"{printable(val.origin)} holds {len(both)} videos of the test ({printable(both[0])}), "
                "and weights are never fitted on the test; test with another list as TEST.SPLIT val"
            )
        if val.num_classes != test.num_classes:
            raise FusionError(
                f"{printable(val.origin)} has {val.num_classes} classes and {printable(test.origin)} "
                f"{test.num_classes}; test both lists with the same weights"
            )
        files = val.record.result("weights"), test.record.result("weights")
        if all(files) and weights_differ(*files, in_one_run=True):
            raise FusionError(
                f"{printable(name)} was tested on val with {printable(files[0])} and on test with "
                f"{printable(files[1])}; test both lists with the same weights"
            )


def _val_if_there(
    tests: Sequence[Predictions], names: Sequence[str], weights: Weights, *, common: bool
) -> tuple[Fused | None, str]:
    """The fusion of val, or why there is none though all runs have predictions of val."""
    if not all(test.origin.name == PREDICTIONS and _val_file(test).is_file() for test in tests):
        return None, ""
    try:
        validation = _read_val(tests)
        files = [str(run.origin) for run in validation]
        require_same_classes(validation, files)
        joined = align(validation, files, common=common)
    except (PredictionsError, ComparisonError) as error:
        return None, str(error)
    return _fused(validation, joined, names, weights), ""


class _Video(NamedTuple):
    """One of a list, with or without scores."""

    key: str
    path: str
    label: np.ndarray


def _fused(
    runs: Sequence[Predictions],
    joined: Sequence[Predictions],
    names: Sequence[str],
    weights: Weights,
) -> Fused:
    """The fusion of ``joined``, in the list of the first run that names its videos."""
    keyed = by_place(runs, names)
    first = next((i for i, run in enumerate(runs) if run.has_paths), 0)
    videos = _videos_in_all(keyed, first)
    index_of = {video.key: index for index, video in enumerate(videos)}
    indices = np.array([index_of[key] for key in joined[0].keys])
    order = np.argsort(indices)
    mixed = np.zeros(joined[0].scores.shape)
    for run, weight in zip(joined, weights.values, strict=True):
        mixed += weight * class_probabilities(run)
    return Fused(
        tuple(runs),
        tuple(names),
        weights,
        tuple(video.path for video in videos),
        np.stack([video.label for video in videos]),
        indices[order],
        mixed[order],
        _failures(keyed, names, index_of, set(joined[0].keys)),
        _spans(joined[first], indices),
        next((run.names for run in runs if run.names), ()),
    )


def _videos_in_all(runs: Sequence[Predictions], first: int) -> list[_Video]:
    """The list of the run ``first``, without the videos that are not in all lists."""
    run = runs[first]
    places = {key: place for place, key in rows_of(run)}
    scored = zip(run.keys, run.paths, run.labels, strict=True)
    labels = () if run.failed_labels is None else run.failed_labels
    failed = zip((key for key, _ in run.failures), run.failed_paths, labels, strict=True)
    shared = set.intersection(*({*each.keys, *(key for key, _ in each.failures)} for each in runs))
    found = [_Video(*each) for each in (*scored, *failed) if each[0] in shared]
    return sorted(found, key=lambda video: places[video.key])


def _failures(
    runs: Sequence[Predictions], names: Sequence[str], index_of: dict[str, int], scored: set[str]
) -> dict[int, str]:
    """Of the videos that a run has no scores of: that run, and its reason."""
    found: dict[int, str] = {}
    for run, name in zip(runs, names, strict=True):
        for key, reason in run.failures:
            if key in index_of and key not in scored and reason != LIMITED:  # written of itself
                found.setdefault(index_of[key], f"no scores in {name}: {reason}")
    return dict(sorted(found.items()))


def _spans(run: Predictions, indices: np.ndarray) -> dict[int, tuple[float, float, float] | None]:
    """The seconds that the clips of one run show."""
    if run.spans is None:
        return {}
    durations = np.full(len(run.spans), np.nan) if run.durations is None else run.durations
    return {
        int(index): None if np.isnan([start, end]).any() else (start, end, duration)
        for index, (start, end), duration in zip(
            indices, run.spans.tolist(), durations.tolist(), strict=True
        )
    }
