"""mAP at tIoU and AR@AN of detections: ActivityNet's definitions, on columns of numbers.

Detections of a class are taken by falling score; of equal scores the one of the video whose name comes
first, then the one that starts first. (The published code takes equal scores in the order of the file.)
A detection is right if an annotation of its class and video with a tIoU of at least the threshold is
still free. AP is the area under the precision, made falling, over the recall.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from timesformer.detection.matching import Closeness, Pairs, find_pairs, match, tiou

RECALL_TIOUS = tuple(round(0.5 + 0.05 * k, 2) for k in range(10))  # of ActivityNet's proposals
RECALL_COUNTS = (1, 5, 10, 50, 100)


@dataclass(frozen=True)
class Columns:
    """Segments, as columns of equal length; names are places in lists that truth and detections share.

    ``scores`` of annotations are not used.
    """

    video: np.ndarray  # (N,) int64, in the order of the names of videos
    label: np.ndarray  # (N,) int64
    times: np.ndarray  # (N, 2) float64 seconds
    scores: np.ndarray  # (N,) float64

    def __len__(self) -> int:
        return len(self.video)

    def rows(self, places: np.ndarray) -> "Columns":
        """These rows, in that order."""
        return Columns(
            self.video[places], self.label[places], self.times[places], self.scores[places]
        )

    def by_class(self) -> "Columns":
        """By class; in it by falling score, then video, start and end."""
        start, end = self.times.T
        return self.rows(self._ranked(self.label, (end, start, self.video)))

    def by_video(self) -> "Columns":
        """By video; in it by falling score, then start, end and class."""
        start, end = self.times.T
        return self.rows(self._ranked(self.video, (self.label, end, start)))

    def in_time(self) -> "Columns":
        """By class and video; in it by start and end."""
        start, end = self.times.T
        return self.rows(np.lexsort((end, start, self.video, self.label)))

    def _ranked(self, group: np.ndarray, ties: tuple[np.ndarray, ...]) -> np.ndarray:
        """Places by group, then falling score, then ``ties`` from the last on, which few need."""
        order = np.lexsort((-self.scores, group))
        groups, scores = group[order], self.scores[order]
        if ((groups[1:] == groups[:-1]) & (scores[1:] == scores[:-1])).any():
            order = np.lexsort((*ties, -self.scores, group))
        return order


class Matcher:
    """Detections against annotations at any threshold: the pairs are found once.

    Args:
        truth: annotations.
        found: detections.
        least: the lowest threshold that will be asked for.
        closeness: what is compared with the threshold, default: tIoU.
    """

    def __init__(
        self, truth: Columns, found: Columns, *, least: float, closeness: Closeness = tiou
    ) -> None:
        self.truth, self.found = truth.in_time(), found.by_class()
        videos = 1 + max(truth.video.max(initial=0), found.video.max(initial=0))
        keys = [part.label * videos + part.video for part in (self.found, self.truth)]
        self._pairs: Pairs = find_pairs(
            keys[0],
            self.found.times,
            keys[1],
            self.truth.times,
            least=least,
            closeness=closeness,
        )

    def matches(self, tiou: float) -> np.ndarray:
        """The place in ``truth`` (N,) of what each of ``found`` finds, -1 for a wrong one."""
        return match(self._pairs, tiou, len(self.found), len(self.truth))

    def average_precisions(self, tiou: float, num_classes: int) -> np.ndarray:
        """(num_classes,) from 0 to 1; nan of a class without annotations."""
        counts = np.bincount(self.truth.label, minlength=num_classes)
        begins = np.searchsorted(self.found.label, np.arange(num_classes + 1))
        right = np.flatnonzero(self.matches(tiou) >= 0)
        cuts = np.searchsorted(right, begins)
        precisions = np.full(num_classes, np.nan)
        for label in np.flatnonzero(counts):
            ranks = right[cuts[label] : cuts[label + 1]] - begins[label]
            precisions[label] = average_precision(ranks, int(counts[label]))
        return precisions


def average_precision(ranks: np.ndarray, num_annotations: int) -> float:
    """Interpolated AP of one class.

    Args:
        ranks: places, from 0, rising, of the right ones among the detections of the class.
        num_annotations: of the class.
    """
    precisions = np.arange(1, len(ranks) + 1) / (ranks + 1)
    falling = np.maximum.accumulate(precisions[::-1])
    return float(falling.sum() / num_annotations)


def mean_average_precision(
    truth: Columns, found: Columns, tious: Sequence[float], num_classes: int
) -> np.ndarray:
    """(thresholds, num_classes) AP from 0 to 1, nan of a class without annotations."""
    matcher = Matcher(truth, found, least=min(tious))
    return np.stack([matcher.average_precisions(tiou, num_classes) for tiou in tious])


def average_recall(
    truth: Columns, found: Columns, counts: Sequence[int] = RECALL_COUNTS
) -> dict[int, float]:
    """AR@AN: the share of annotations that the AN highest detections of each video cover.

    Classes do not count. It is the mean over the thresholds RECALL_TIOUS.
    """
    ranked = found.by_video()
    begins = np.searchsorted(ranked.video, ranked.video)
    ranks = np.arange(len(ranked)) - begins
    kept = ranks < max(counts)
    ranked, ranks = ranked.rows(np.flatnonzero(kept)), ranks[kept]
    annotated = truth.rows(np.argsort(truth.video, kind="stable"))
    pairs = find_pairs(
        ranked.video, ranked.times, annotated.video, annotated.times, least=min(RECALL_TIOUS)
    )
    recalls = np.zeros(len(counts))
    for least in RECALL_TIOUS:
        covers = pairs.overlap >= least
        first = np.full(
            len(annotated), max(counts)
        )  # the rank of the first detection that covers it
        np.minimum.at(first, pairs.annotation[covers], ranks[pairs.detection[covers]])
        recalls += [(first < count).mean() for count in counts]
    return dict(zip(counts, (recalls / len(RECALL_TIOUS)).tolist(), strict=True))
