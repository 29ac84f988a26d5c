"""All figures of detections against a truth, as one dictionary: the content of ``report.json``."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from timesformer.detection.annotations import Annotations, duplicates
from timesformer.detection.comparison import Compared, compare
from timesformer.detection.metrics import average_recall, mean_average_precision
from timesformer.detection.moments import per_frame_average_precisions
from timesformer.detection.results import Detections
from timesformer.detection.sequences import sequence_scores
from timesformer.detection.worst import worst_videos
from timesformer.io.terminal import printable

SCHEMA_VERSION = 1


def evaluate_detections(
    truth: Annotations,
    found: Detections,
    tious: Sequence[float],
    *,
    predictions: Path | str = "",
    leave_out_others: bool = False,
) -> dict[str, Any]:
    """The figures; all shares are from 0 to 1.

    Args:
        truth: annotations of one subset.
        found: detections.
        tious: thresholds, rising.
        predictions: where the detections are from.
        leave_out_others: see ``comparison.compare``.

    Raises:
        ResultsError: no video or no class is on both sides.
    """
    compared = compare(truth, found, leave_out_others=leave_out_others)
    precisions = mean_average_precision(compared.truth, compared.found, tious, len(compared.labels))
    means = precisions.mean(axis=1)
    annotated, detected, durations = compared.within()
    sequences = sequence_scores(annotated, detected, len(durations))
    frames = per_frame_average_precisions(annotated, detected, durations, len(compared.labels))
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "detection",
        "truth": str(truth.origin),
        "predictions": str(predictions),
        "subset": truth.subset,
        "videos": len(truth.videos),
        "annotations": len(compared.truth),
        "detections": len(compared.found),
        "seconds": float(durations.sum()),
        "warnings": list(_warnings(truth, compared, leave_out_others)),
        "mAP": {tiou_text(tiou): float(mean) for tiou, mean in zip(tious, means, strict=True)},
        "average_mAP": float(means.mean()),
        "average_recall": {
            str(count): share for count, share in average_recall(annotated, detected).items()
        },
        "per_frame_mAP": float(np.nanmean(frames)),
        "edit": sequences.edit,
        "f1": {str(overlap): share for overlap, share in sequences.f1.items()},
        "per_class": _per_class(compared, tious, precisions, frames),
        "unmatched": {
            "videos": dict(compared.unmatched.videos),
            "videos_of_other_subsets": dict(compared.unmatched.elsewhere),
            "labels": dict(compared.unmatched.labels),
            "without_results": list(compared.unmatched.without_results),
        },
        "worst": worst_videos(compared),
    }


def tiou_text(tiou: float) -> str:
    """``0.3``: the name of a threshold in files."""
    return f"{tiou:.10g}"


def _per_class(
    compared: Compared, tious: Sequence[float], precisions: np.ndarray, frames: np.ndarray
) -> list[dict[str, Any]]:
    counts = [
        np.bincount(part.label, minlength=len(compared.labels)).tolist()
        for part in (compared.truth, compared.found)
    ]
    names = list(map(tiou_text, tious))
    return [
        {
            "label": name,
            "annotations": counts[0][k],
            "detections": counts[1][k],
            "AP": dict(zip(names, precisions[:, k].tolist(), strict=True)),
            "average_AP": float(precisions[:, k].mean()),
            "per_frame_AP": float(frames[k]),
        }
        for k, name in enumerate(compared.labels)
    ]


def _warnings(truth: Annotations, compared: Compared, leave_out_others: bool) -> Iterator[str]:
    """What a reader must know before any number."""
    unmatched = compared.unmatched
    if not len(compared.found):
        yield "There is no detection of these videos and classes."
    if truth.background is not None:
        yield truth.background_note
    if unmatched.labels:
        known = sum(label in truth.labels_elsewhere for label in unmatched.labels)
        other = f"; {known} of these labels are in other subsets" if known else ""
        yield (
            f"Left out: {_counted(unmatched.labels)} of {_named(unmatched.labels, 'label')} that the "
            f"truth does not have{other}."
        )
    if unmatched.elsewhere:
        yield (
            f"Left out: {_counted(unmatched.elsewhere)} in {_named(unmatched.elsewhere, 'video')} of "
            "other subsets of the truth."
        )
    if unmatched.videos:
        detections = (
            f"{_counted(unmatched.videos)} in {_named(unmatched.videos, 'video')} that the truth does "
            "not have"
        )
        if leave_out_others:
            yield f"Left out: {detections}."
        else:
            yield f"Wrong by definition: {detections}; --ignore-others leaves them out."
    if unmatched.without_results:
        names = dict.fromkeys(unmatched.without_results, 0)
        yield f"Without results, so that nothing is found there: {_named(names, 'video')} of the truth."
    if twice := duplicates(truth):
        video, segment = twice[0]
        yield (
            f"Given more than once: {len(twice):,} of the annotations, as {printable(segment.label)} in "
            f"{printable(video)}; each one counts, as in the published evaluation, and --clean keeps one."
        )


def _counted(names: Mapping[str, int]) -> str:
    count = sum(names.values())
    return f"{count:,} detection{'s' * (count != 1)}"


def _named(names: Mapping[str, int], thing: str) -> str:
    shown = ", ".join(map(printable, list(names)[:3])) + ", ..." * (len(names) > 3)
    return f"{len(names):,} {thing}{'s' * (len(names) != 1)} ({shown})"
