"""Which rules find the segments of a validation set best: a search over onset, offset and min-on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from timesformer.detection.annotations import Annotations
from timesformer.detection.metrics import Columns, mean_average_precision
from timesformer.detection.results import ResultsError
from timesformer.detection.rules import SegmentRules
from timesformer.detection.segment_arrays import (
    Segments,
    Windows,
    active_windows,
    join_runs,
)
from timesformer.detection.segments import eligible_scores
from timesformer.detection.smoothing import smooth_runs
from timesformer.detection.timeline import Timeline
from timesformer.io.terminal import printable

LEVELS = tuple(round(0.1 * k, 1) for k in range(1, 10))
MIN_ONS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
TIOUS = (0.3, 0.4, 0.5, 0.6, 0.7)
SAME = 1e-9  # differences of mAP that are none


@dataclass(frozen=True)
class Tuned:
    """The best rules."""

    rules: SegmentRules
    average_map: float  # 0 to 1
    before: float  # of the rules that were given
    tried: tuple[tuple[SegmentRules, float], ...]  # all rules, and the average mAP of each
    videos: int  # that have annotations and scores


def tune(
    truth: Annotations,
    timelines: Mapping[str, Timeline],
    rules: SegmentRules,
    *,
    onsets: Sequence[float] = LEVELS,
    offsets: Sequence[float] = LEVELS,
    min_ons: Sequence[float] = MIN_ONS,
    tious: Sequence[float] = TIOUS,
) -> Tuned:
    """The rules of the highest average mAP on videos that are neither trained nor tested on.

    All combinations with an onset of at least the offset are tried. Of several that are equally good
    it is the one nearest to ``rules``.

    Args:
        truth: annotations of a validation subset.
        timelines: scores by the name of the video; all of one model.
        rules: of which everything else is kept.
        onsets: to try, as the next two.
        offsets: see above.
        min_ons: seconds.
        tious: thresholds of mAP.

    Raises:
        ResultsError: no video, or no class, has both annotations and scores.
        RulesError: a value is out of range.
    """
    names = [name for name in truth.videos if name in timelines]
    if not names:
        raise ResultsError(
            f"no video of the truth has scores: the truth has {printable(next(iter(truth.videos)))}, "
            f"scores are of {printable(next(iter(timelines), 'no video'))}"
        )
    class_names = timelines[names[0]].class_names
    background = rules.background_place(class_names)
    annotated = _annotations(truth, names, class_names, background)
    windows = _windows([timelines[name] for name in names])
    shown = np.where(windows.seen[:, None], windows.scores, -np.inf)
    smoothed = smooth_runs(shown, windows.begins, rules.smoothing)
    scores = eligible_scores(smoothed, rules, background)
    classes = len(np.unique(annotated.label))

    def segments(found: SegmentRules) -> Segments:
        active = active_windows(scores, windows.begins, found)
        return join_runs(windows, active, replace(found, min_on=0.0))

    def average_map(found: Segments) -> float:
        columns = Columns(found.video, found.label, found.times, found.scores)
        precisions = mean_average_precision(annotated, columns, tious, len(class_names))
        return float(np.nansum(precisions) / (len(tious) * classes))

    tried = []
    for onset, offset in product(onsets, offsets):
        if onset < offset:
            continue
        found = segments(replace(rules, onset=onset, offset=offset))
        for min_on in min_ons:
            each = replace(rules, onset=onset, offset=offset, min_on=min_on)
            tried.append((each, average_map(found.long_enough(min_on))))
    before = average_map(segments(rules).long_enough(rules.min_on))
    most = max([before, *(value for _, value in tried)])
    best = [each for each, value in tried if value >= most - SAME]
    best += [rules] * (before >= most - SAME)
    nearest = min(best, key=lambda each: _distance(each, rules))
    return Tuned(nearest, most, before, tuple(tried), len(names))


def _distance(a: SegmentRules, b: SegmentRules) -> float:
    return abs(a.onset - b.onset) + abs(a.offset - b.offset) + 0.1 * abs(a.min_on - b.min_on)


def _annotations(
    truth: Annotations, names: Sequence[str], class_names: Sequence[str], background: int | None
) -> Columns:
    """Those of classes that the model has segments of, of the videos ``names``."""
    place = {name: k for k, name in enumerate(class_names) if k != background}
    rows = [
        (video, place[segment.label], segment.start, segment.end)
        for video, name in enumerate(names)
        for segment in truth.videos[name].segments
        if segment.label in place
    ]
    if not rows:
        raise ResultsError(
            f"no class of the truth is one of the model: the truth has "
            f"{', '.join(map(printable, truth.labels[:3]))}, the model "
            f"{', '.join(map(printable, class_names[:3]))}"
        )
    table = np.array(rows, np.float64)
    whole = table[:, :2].astype(np.int64)
    return Columns(whole[:, 0], whole[:, 1], table[:, 2:], np.ones(len(rows)))


def _windows(timelines: Sequence[Timeline]) -> Windows:
    counts = [len(each.windows) for each in timelines]
    times = np.concatenate([each.windows for each in timelines])
    return Windows(
        np.repeat(np.arange(len(timelines)), counts),
        times[:, 0],
        times[:, 1],
        np.concatenate([each.probabilities for each in timelines]).astype(np.float64),
        np.array([each.duration for each in timelines]),
    )
