"""All figures of online scores against a truth, as one dictionary: the content of ``report.json``."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from timesformer.detection.annotations import Annotations
from timesformer.detection.online_evaluation.alarms import (
    CURVE_RATES,
    Operation,
    Rises,
    announced_operation,
    detected_within,
    find_rises,
    sweep,
)
from timesformer.detection.online_evaluation.cells import STAGES, cut_time
from timesformer.detection.online_evaluation.frames import (
    FramePrecisions,
    coverage,
    frame_precisions,
)
from timesformer.detection.online_evaluation.pairs import Pairs, pair
from timesformer.detection.online_evaluation.slowest import slowest_videos
from timesformer.detection.online_evaluation.starts import OFFSETS, point_average_precisions
from timesformer.detection.online_evaluation.streams import Stream

SCHEMA_VERSION = 1


def evaluate_streams(
    truth: Annotations,
    streams: Sequence[Stream],
    *,
    rate: float = 1.0,
    fps: float | None = None,
    partial: bool = False,
) -> dict[str, Any]:
    """The figures; all shares are from 0 to 1.

    Args:
        truth: annotations of one subset.
        streams: of one model, each of another video.
        rate: false alarms an hour of streams, of all classes together, that are allowed.
        fps: of the grid of frames that per-frame metrics count; None: every moment.
        partial: see ``pairs.pair``.

    Raises:
        StreamError: see ``pairs.pair``.
    """
    pairs = pair(truth, streams, partial=partial)
    views, timed = {}, all(stream.delays is not None for stream in pairs.streams)
    for name, as_seen in (("stream_time", False), ("as_seen", True)):
        views[name] = _View(pairs, as_seen, rate, fps) if timed or not as_seen else None
    main = views["stream_time"]
    assert main is not None
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "online_detection",
        "truth": str(truth.origin),
        "predictions": [str(stream.origin) for stream in pairs.streams],
        "subset": truth.subset,
        "videos": len(pairs.streams),
        "annotations": pairs.annotations,
        "actions": len(pairs.actions),
        "seconds": float(pairs.durations.sum()),
        "fps": fps,
        "windows": {
            "scored": sum(len(stream.windows) for stream in pairs.streams),
            "skipped": sum(stream.skipped for stream in pairs.streams),
            "unread": sum(stream.unread for stream in pairs.streams),
        },
        "false_alarms_per_hour": rate,
        "warnings": [*pairs.warnings, *_warnings(pairs, rate, timed)],
        **{name: None if view is None else view.figures() for name, view in views.items()},
        "per_class": main.per_class(),
        "slowest": slowest_videos(pairs, main.rises, main.operation.threshold),
    }


class _View:
    """The figures of one meaning of known: in stream time, or as seen."""

    def __init__(self, pairs: Pairs, as_seen: bool, rate: float, fps: float | None) -> None:
        self._pairs, self._as_seen = pairs, as_seen
        self._hours = float(pairs.durations.sum()) / 3600
        self._frames: FramePrecisions = frame_precisions(
            pairs, cut_time(pairs, as_seen=as_seen, fps=fps)
        )
        self._points = point_average_precisions(pairs, as_seen=as_seen)
        self.rises: Rises = find_rises(pairs, as_seen=as_seen)
        self._thresholds = sweep(self.rises, len(pairs.actions), self._hours)
        self.operation: Operation = self._thresholds.best(rate)

    def figures(self) -> dict[str, Any]:
        """The means over the classes, and what thresholds give."""
        announced = announced_operation(self._pairs, as_seen=self._as_seen, hours=self._hours)
        return {
            "per_frame_mAP": _mean(self._frames.average),
            "mcAP": _mean(self._frames.calibrated),
            "stages": [
                {
                    "from": stage / STAGES,
                    "to": (stage + 1) / STAGES,
                    "mAP": _mean(self._frames.stages[:, stage]),
                    "mcAP": _mean(self._frames.calibrated_stages[:, stage]),
                }
                for stage in range(STAGES)
            ],
            "point_mAP": {
                str(offset): _mean(row) for offset, row in zip(OFFSETS, self._points, strict=True)
            },
            "average_point_mAP": _mean(self._points),
            "detection": self.operation._asdict(),
            "detected_within": detected_within(
                self.rises.found(self.operation.threshold)[1], len(self._pairs.actions)
            ),
            "curve": [
                {"allowed_per_hour": rate, **self._thresholds.best(rate)._asdict()}
                for rate in CURVE_RATES
            ],
            "announced": None if announced is None else self._announced(announced),
            "coverage": coverage(self._pairs, as_seen=self._as_seen),
        }

    def _announced(self, operation: Operation) -> dict[str, Any]:
        streams = self._pairs.streams
        figures = operation._asdict()
        del figures["threshold"]
        starts = sum(
            each.label in self._pairs.labels
            for stream in streams
            for each in stream.announced or ()
        )
        return {"starts": starts, "withdrawn": sum(s.withdrawn for s in streams), **figures}

    def per_class(self) -> list[dict[str, Any]]:
        """The figures of each class, at the threshold of all."""
        threshold = self.operation.threshold
        found, delays = self.rises.found(threshold)
        labels = self._pairs.actions.label
        counts = np.bincount(labels, minlength=len(self._pairs.labels))
        false = np.bincount(
            self.rises.label[
                (self.rises.action < 0)
                & (self.rises.low <= threshold)
                & (threshold < self.rises.high)
            ],
            minlength=len(counts),
        )
        return [
            {
                "label": name,
                "actions": int(counts[k]),
                "per_frame_AP": float(self._frames.average[k]),
                "cAP": float(self._frames.calibrated[k]),
                "early_AP": float(self._frames.stages[k, 0]),
                "average_point_AP": float(self._points[:, k].mean()),
                "detected": float((labels[found] == k).sum() / counts[k]),
                "mean_seconds": _mean(delays[labels[found] == k]),
                "false_alarms_per_hour": float(false[k] / self._hours),
            }
            for k, name in enumerate(self._pairs.labels)
        ]


def _mean(values: np.ndarray) -> float:
    """Without nan; nan if nothing is left."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(np.nanmean(values)) if values.size else float("nan")


def _warnings(pairs: Pairs, rate: float, timed: bool) -> Iterator[str]:
    hours = float(pairs.durations.sum()) / 3600
    if rate * hours < 1:
        yield (
            f"The streams last {hours:.2g} hours, so a rate of {rate:g} an hour allows no false alarm."
        )
    with_delays = sum(stream.delays is not None for stream in pairs.streams)
    if with_delays and not timed:
        yield (
            f"Only {with_delays} of {len(pairs.streams)} streams have latencies, so nothing is evaluated "
            "as seen."
        )
