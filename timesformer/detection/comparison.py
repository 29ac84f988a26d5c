"""Annotations and detections on common columns, and what of their names does not fit."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from timesformer.detection.annotations import Annotations
from timesformer.detection.metrics import Columns
from timesformer.detection.results import Detections, ResultsError
from timesformer.io.terminal import printable

SHOWN = 3  # names in a message


class Unmatched(NamedTuple):
    """Names that only one side has."""

    videos: Mapping[str, int]  # of detections -> how many; not in the truth
    elsewhere: Mapping[str, int]  # as these; in other subsets of the truth
    labels: Mapping[str, int]  # as these; not a class of the subset
    without_results: tuple[str, ...]  # videos of the subset


class Compared(NamedTuple):
    """Both sides; their places are those of ``videos`` and ``labels``."""

    videos: tuple[str, ...]  # of both, sorted; those of the subset are in ``in_subset``
    in_subset: np.ndarray  # (videos,) bool
    labels: tuple[str, ...]  # classes of the subset, sorted
    truth: Columns
    found: Columns  # of the classes of the subset
    durations: np.ndarray  # (videos,) seconds
    unmatched: Unmatched

    def within(self) -> tuple[Columns, Columns, np.ndarray]:
        """Truth, detections and durations of the videos of the subset alone."""
        place = self.in_subset.cumsum() - 1
        parts = []
        for part in (self.truth, self.found):
            kept = part.rows(np.flatnonzero(self.in_subset[part.video]))
            parts.append(Columns(place[kept.video], kept.label, kept.times, kept.scores))
        return parts[0], parts[1], self.durations[self.in_subset]


def compare(truth: Annotations, found: Detections, *, leave_out_others: bool = False) -> Compared:
    """Bring both on common names.

    Args:
        truth: of one subset.
        found: of any videos and classes.
        leave_out_others: drop detections in videos that the truth does not have; else they are wrong
            ones, as in the published evaluation. Those of videos of other subsets, and of classes that
            the subset does not have, are dropped.

    Raises:
        ResultsError: no video, or no class, is on both sides; the message shows names of each.
    """
    _require_common(truth, found)
    labels = truth.labels
    videos = tuple(sorted({*truth.videos, *found.videos}))
    video_place, label_place = _places(videos), _places(labels)
    in_subset = np.array([name in truth.videos for name in videos], bool)
    video = _translated(found.videos, video_place)[found.video]
    label = _translated(found.labels, label_place)[found.label]
    kept = (label >= 0) & ~np.array([name in truth.elsewhere for name in videos], bool)[video]
    if leave_out_others:
        kept &= in_subset[video]
    rows = list(truth.rows())
    annotated = Columns(
        np.array([video_place[name] for name, _ in rows], np.int64),
        np.array([label_place[segment.label] for _, segment in rows], np.int64),
        np.array([segment[1:] for _, segment in rows], np.float64).reshape(-1, 2),
        np.ones(len(rows)),
    )
    detected = Columns(video[kept], label[kept], found.times[kept], found.scores[kept])
    with_results = {*found.videos}
    others = _counted(found.videos, found.video, truth.videos)
    unmatched = Unmatched(
        {name: count for name, count in others.items() if name not in truth.elsewhere},
        {name: count for name, count in others.items() if name in truth.elsewhere},
        _counted(found.labels, found.label, label_place),
        tuple(name for name in truth.videos if name not in with_results),
    )
    durations = _durations(truth, videos, annotated, detected)
    return Compared(videos, in_subset, labels, annotated, detected, durations, unmatched)


def _require_common(truth: Annotations, found: Detections) -> None:
    """Numbers of names that do not meet would all be 0."""
    if found.videos and not {*truth.videos} & {*found.videos}:
        elsewhere = sum(name in truth.elsewhere for name in found.videos)
        remedy = (
            f"{elsewhere} of them are in other subsets: choose another one"
            if elsewhere
            else "results go by the name without folder and suffix"
        )
        raise ResultsError(
            f"none of the {len(truth.videos)} videos of the truth has results, so nothing can match: the "
            f"truth has {_first(truth.videos)}, the results have {_first(found.videos)}; {remedy}"
        )
    if found.labels and not {*truth.labels} & {*found.labels}:
        raise ResultsError(
            f"none of the {len(found.labels)} labels of the results is a class of the truth, so nothing "
            f"can match: the results have {_first(sorted(found.labels))}, the truth has "
            f"{_first(truth.labels)}"
        )


def _first(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(map(printable, names[:SHOWN])) + ", ..." * (len(names) > SHOWN)


def _places(names: Iterable[str]) -> dict[str, int]:
    return {name: place for place, name in enumerate(names)}


def _translated(names: Iterable[str], places: Mapping[str, int]) -> np.ndarray:
    return np.array([places.get(name, -1) for name in names], np.int64)


def _counted(
    names: tuple[str, ...], column: np.ndarray, known: Mapping[str, object]
) -> dict[str, int]:
    counts = np.bincount(column, minlength=len(names)).tolist()
    rows = zip(names, counts, strict=True)
    return {name: count for name, count in rows if name not in known}


def _durations(
    truth: Annotations, videos: tuple[str, ...], annotated: Columns, detected: Columns
) -> np.ndarray:
    """(videos,) as annotated, else up to the end of the last segment."""
    last = np.zeros(len(videos))
    for part in (annotated, detected):
        np.maximum.at(last, part.video, part.times[:, 1])
    known = [truth.videos[name].duration if name in truth.videos else None for name in videos]
    return np.array(
        [end if given is None else given for end, given in zip(last, known, strict=True)]
    )
