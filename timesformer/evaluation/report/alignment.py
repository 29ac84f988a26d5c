"""The videos that several runs have in common, in one order."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from timesformer.errors import InputError
from timesformer.evaluation.report.predictions import Predictions
from timesformer.io.terminal import printable

NAMED = 3  # videos in an error message


class ComparisonError(InputError, ValueError):
    """Runs that cannot be compared or fused; the message names what differs."""


def require_same_classes(runs: Sequence[Predictions], names: Sequence[str]) -> None:
    """Raise a ComparisonError if the runs have different classes."""
    first = runs[0]
    for run, name in zip(runs[1:], names[1:], strict=True):
        pair = f"{printable(names[0])} and {printable(name)}"
        if run.num_classes != first.num_classes:
            raise ComparisonError(
                f"{pair} have {first.num_classes} and {run.num_classes} classes; name runs of the same "
                "classes"
            )
        if run.is_multi_label != first.is_multi_label:
            raise ComparisonError(
                f"of {pair} one has several labels a video, the other one has one label; name runs of one "
                "kind"
            )
        if run.names and first.names and run.names != first.names:
            k = next(i for i in range(len(run.names)) if run.names[i] != first.names[i])
            raise ComparisonError(
                f"{pair} have different classes: class {k} is {printable(first.names[k])} and "
                f"{printable(run.names[k])}; name runs of the same classes"
            )


def align(
    runs: Sequence[Predictions],
    names: Sequence[str],
    *,
    common: bool,
    remedy: str = "--common takes the videos that all have",
) -> list[Predictions]:
    """The videos that all runs have scores of, in the order of the first one.

    ``remedy``: what to do if the lists differ and ``common`` is False.

    Raises:
        ComparisonError: the lists differ and ``common`` is False, they have no video in common, or a
            video has different labels.
    """
    runs = by_place(runs, names)
    lists = [set(run.keys) | {key for key, _ in run.failures} for run in runs]
    for name, keys in zip(names[1:], lists[1:], strict=True):
        if keys != lists[0] and not common:
            raise ComparisonError(_different_lists(names[0], name, lists[0], keys, remedy))
    shared = set.intersection(*(set(run.keys) for run in runs))
    if not shared:
        raise ComparisonError(
            f"no video has scores in {' and '.join(map(printable, names))}; a path must be "
            "written alike in all lists"
        )
    order = [key for key in runs[0].keys if key in shared]
    aligned = []
    for run in runs:
        row_of = {key: row for row, key in enumerate(run.keys)}
        aligned.append(run.subset(np.array([row_of[key] for key in order])))
    for run, name in zip(aligned[1:], names[1:], strict=True):
        differs = run.labels != aligned[0].labels
        rows = np.flatnonzero(differs.any(axis=1) if differs.ndim == 2 else differs)
        if len(rows):
            raise ComparisonError(
                f"{printable(names[0])} and {printable(name)} have different labels for "
                f"{printable(order[rows[0]])} ({len(rows)} of {len(order)} videos); test "
                "both on one list"
            )
    return aligned


def by_place(runs: Sequence[Predictions], names: Sequence[str]) -> list[Predictions]:
    """``runs``; files that name no videos get the keys of a run that does, by their rows.

    Raises:
        ComparisonError: such a file has another number of videos.
    """
    named = next(
        (i for i, run in enumerate(runs) if run.has_paths and run.places is not None), None
    )
    if named is None or all(run.has_paths for run in runs):
        return list(runs)
    rows = dict(rows_of(runs[named]))
    found = []
    for run, name in zip(runs, names, strict=True):
        if run.has_paths:
            found.append(run)
            continue
        if run.total != len(rows):
            raise ComparisonError(
                f"{printable(name)} names no videos and has {run.total} rows, but "
                f"{printable(names[named])} has {len(rows)}, so that rows cannot be matched; name files "
                "of one list"
            )
        own = {key: rows[place] for place, key in rows_of(run)}
        failures = tuple((own[key], reason) for key, reason in run.failures)
        found.append(
            replace(
                run, keys=tuple(own[key] for key in run.keys), failures=failures, has_paths=True
            )
        )
    return found


def rows_of(run: Predictions) -> Iterator[tuple[int, str]]:
    """Row and key of each video, those without scores included."""
    assert run.places is not None
    yield from zip(run.places.tolist(), run.keys, strict=True)
    others = np.setdiff1d(np.arange(run.total), run.places).tolist()
    yield from zip(others, (key for key, _ in run.failures), strict=True)


def _different_lists(first: str, second: str, a: set[str], b: set[str], remedy: str) -> str:
    if not a & b:
        return (
            f"{printable(first)} and {printable(second)} have no path in common ({printable(min(a))} and "
            f"{printable(min(b))}); a path must be written alike in all lists"
        )
    sides = []
    for name, extra in ((first, a - b), (second, b - a)):
        if extra:
            some = ", ".join(map(printable, sorted(extra)[:NAMED]))
            sides.append(f"{len(extra)} only in {printable(name)} ({some})")
    pair = f"{printable(first)} and {printable(second)}"
    return f"{pair} are of different lists: {'; '.join(sides)}; {remedy}"
