"""The predictions of several runs on the same videos, row by row: matched by path, or by row."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from timesformer.errors import InputError
from timesformer.evaluation.report.predictions import Predictions
from timesformer.io.terminal import printable

_NAMED = 3  # videos in an error message


class JoinError(InputError, ValueError):
    """Runs that are not of the same videos or classes; the message names what differs."""


def join(runs: Sequence[Predictions], names: Sequence[str], *, common: bool) -> list[Predictions]:
    """The videos that all runs have scores of, in the order of the first one.

    A file that names no videos is matched by row: then all files must have as many videos.

    Args:
        runs: at least one.
        names: of the runs, for messages.
        common: take the videos that are in all lists, if the lists differ.

    Raises:
        JoinError: classes, lists or labels differ, or no video has scores in all runs.
    """
    _check_classes(runs, names)
    runs = with_equal_keys(runs, names)
    lists = [set(run.keys) | {key for key, _ in run.failures} for run in runs]
    for name, keys in zip(names[1:], lists[1:], strict=True):
        if keys != lists[0] and not common:
            raise JoinError(_different_lists(names[0], name, lists[0], keys))
    shared = set.intersection(*(set(run.keys) for run in runs))
    if not shared:
        raise JoinError(
            f"no video has scores in {' and '.join(map(printable, names))}; a path must be written alike "
            "in all lists"
        )
    order = [key for key in runs[0].keys if key in shared]
    joined = []
    for run in runs:
        row_of = {key: row for row, key in enumerate(run.keys)}
        joined.append(run.subset(np.array([row_of[key] for key in order])))
    for run, name in zip(joined[1:], names[1:], strict=True):
        _check_labels(joined[0], run, names[0], name)
    return joined


def with_equal_keys(runs: Sequence[Predictions], names: Sequence[str]) -> list[Predictions]:
    """``runs`` with rows for keys if one of them has no paths.

    Raises:
        JoinError: they have different numbers of videos then.
    """
    if all(run.has_paths for run in runs):
        return list(runs)
    for run, name in zip(runs[1:], names[1:], strict=True):
        if run.total != runs[0].total:
            raise JoinError(
                f"{printable(names[0])} has {runs[0].total} videos and {printable(name)} {run.total}, and "
                "one of them names no videos, so that rows cannot be matched; name files of one list"
            )
    return [_by_row(run) for run in runs]


def failed_places(run: Predictions) -> np.ndarray:
    """The rows of the file whose videos have no scores, in the order of ``failures``."""
    return np.setdiff1d(np.arange(run.total), scored_places(run))


def scored_places(run: Predictions) -> np.ndarray:
    """The rows of the file whose videos have scores; the first ones if nothing is known."""
    return np.arange(len(run.paths)) if run.places is None else run.places


def _by_row(run: Predictions) -> Predictions:
    keys = [f"row {place}" for place in scored_places(run)]
    reasons = [reason for _, reason in run.failures]
    failures = zip((f"row {place}" for place in failed_places(run)), reasons, strict=True)
    return replace(run, keys=tuple(keys), failures=tuple(failures))


def _check_classes(runs: Sequence[Predictions], names: Sequence[str]) -> None:
    first = runs[0]
    for run, name in zip(runs[1:], names[1:], strict=True):
        pair = f"{printable(names[0])} and {printable(name)}"
        if run.num_classes != first.num_classes:
            raise JoinError(
                f"{pair} have {first.num_classes} and {run.num_classes} classes; name runs of the same "
                "classes"
            )
        if run.is_multi_label != first.is_multi_label:
            raise JoinError(
                f"of {pair} one has several labels a video and the other one has not; name runs of one "
                "kind"
            )
        if run.names and first.names and run.names != first.names:
            k = next(i for i in range(len(run.names)) if run.names[i] != first.names[i])
            raise JoinError(
                f"{pair} have different classes: class {k} is {printable(first.names[k])} and "
                f"{printable(run.names[k])}; name runs of the same classes"
            )


def _check_labels(a: Predictions, b: Predictions, name_a: str, name_b: str) -> None:
    differs = a.labels != b.labels
    rows = np.flatnonzero(differs.any(axis=1) if differs.ndim == 2 else differs)
    if not len(rows):
        return
    by_row = "" if a.has_paths and b.has_paths else "; rows are matched, since not all have paths"
    raise JoinError(
        f"{printable(name_a)} and {printable(name_b)} have different labels for "
        f"{printable(a.keys[rows[0]])} ({len(rows)} of {len(a.keys)} videos){by_row}; test both on "
        "one list"
    )


def _different_lists(first: str, second: str, a: set[str], b: set[str]) -> str:
    sides = []
    for name, extra in ((first, a - b), (second, b - a)):
        if extra:
            some = ", ".join(map(printable, sorted(extra)[:_NAMED]))
            sides.append(f"{len(extra)} only in {printable(name)} ({some})")
    return (
        f"{printable(first)} and {printable(second)} are of different lists: {'; '.join(sides)}; --common "
        "takes the videos that all have"
    )
