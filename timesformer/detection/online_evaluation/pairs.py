"""Streams and annotations of the same videos: classes, actions, and the time that is evaluated."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from timesformer.detection.annotations import BEYOND, Annotations, Segment
from timesformer.detection.metrics import Columns
from timesformer.detection.online_evaluation.streams import Stream, StreamError
from timesformer.io.terminal import printable

SHOWN = 3  # names in a message


@dataclass(frozen=True)
class Pairs:
    """V videos that have both; places are those of ``streams`` and ``labels``."""

    streams: tuple[Stream, ...]  # by name of the video
    durations: np.ndarray  # (V,) seconds that are evaluated
    labels: tuple[str, ...]  # classes that have an action, sorted
    places: np.ndarray  # of these among the classes of the model
    actions: Columns  # by video, class and time; no two of a class overlap or touch
    annotations: int
    warnings: tuple[str, ...]

    def scores(self, video: int) -> np.ndarray:
        """(W, labels) of the classes that have an action."""
        return np.asarray(self.streams[video].scores[:, self.places])

    def actions_of(self, video: int) -> np.ndarray:
        """Places of the actions of a video."""
        first, last = np.searchsorted(self.actions.video, [video, video + 1])
        return np.arange(first, last)


def pair(truth: Annotations, streams: Sequence[Stream], *, partial: bool = False) -> Pairs:
    """Bring both together.

    Args:
        truth: annotations of one subset.
        streams: of one model, each of another video.
        partial: evaluate only the time that a stream has, else a stream that ends before the video or
            an annotation is an error.

    Raises:
        StreamError: no video is on both sides, the model does not have a class, or a stream is short.
    """
    common = [stream for stream in streams if stream.video in truth.videos]
    if not common:
        raise _nothing_common(truth, streams)
    ends = np.array([_evaluated(truth, stream, partial) for stream in common])
    rows = [
        (video, segment._replace(end=min(segment.end, ends[video])))
        for video, stream in enumerate(common)
        for segment in truth.videos[stream.video].segments
        if segment.start < ends[video]
    ]
    labels = tuple(sorted({segment.label for _, segment in rows}))
    if not rows:
        names = _first([stream.video for stream in common])
        raise StreamError(
            f"no annotation in the time of the streams ({names}), so there is nothing to find; evaluate "
            "streams of other videos"
        )
    _require_known(labels, common[0])
    heard = tuple(
        stream.until(float(end) + BEYOND) for stream, end in zip(common, ends, strict=True)
    )
    for stream in heard:
        if not len(stream.windows):
            raise StreamError(
                f"{printable(stream.origin)}: no window of {printable(stream.video)} has scores in the "
                "time that is annotated; leave the stream out, or watch with a shorter window"
            )
    places = [common[0].class_names.index(label) for label in labels]
    return Pairs(
        heard,
        ends,
        labels,
        np.array(places, np.int64),
        _actions(rows, labels),
        len(rows),
        tuple(_warnings(truth, streams, common, ends)),
    )


def _nothing_common(truth: Annotations, streams: Sequence[Stream]) -> StreamError:
    elsewhere = sum(stream.video in truth.elsewhere for stream in streams)
    remedy = (
        f"{elsewhere} of them are in other subsets: choose another one with --subset"
        if elsewhere
        else "a stream goes by the name of its source without folder and suffix; --video NAME gives it "
        "another"
    )
    return StreamError(
        f"no video of the truth has a stream: the truth has {_first(sorted(truth.videos))}, the streams "
        f"are {_first([stream.video or '(no name)' for stream in streams])}; {remedy}"
    )


def _evaluated(truth: Annotations, stream: Stream, partial: bool) -> float:
    """Seconds of a video that are evaluated."""
    video = truth.videos[stream.video]
    slack = stride_slack(stream)
    last = max((segment.end for segment in video.segments), default=0.0)
    end = stream.duration if video.duration is None else video.duration
    if partial:
        return min(end, stream.duration)
    where = f"{printable(stream.origin)}: the stream of {printable(stream.video)} ends at "
    remedy = "watch it to its end, or evaluate the time that it has with --partial"
    if end > stream.duration + slack:
        raise StreamError(f"{where}{stream.duration:g} s, and the video at {end:g} s; {remedy}")
    if last > stream.duration + slack:
        raise StreamError(
            f"{where}{stream.duration:g} s, and an annotation at {last:g} s; {remedy}"
        )
    return max(end, last) if video.duration is None else end


def stride_slack(stream: Stream) -> float:
    """Seconds at the end of a video that are in no window, or rounded away."""
    return stream.stride + BEYOND


def _require_known(labels: Sequence[str], stream: Stream) -> None:
    unknown = [label for label in labels if label not in stream.class_names]
    if unknown:
        raise StreamError(
            f"{len(unknown)} of {len(labels)} classes of the truth are not classes of the model: "
            f"{_first(unknown)}; it has {_first(stream.class_names)} ({printable(stream.origin)}). "
            "Give the truth the names of the model"
        )


def _actions(rows: Iterable[tuple[int, Segment]], labels: Sequence[str]) -> Columns:
    """Annotations of one class that overlap or touch become one action."""
    place = {label: k for k, label in enumerate(labels)}
    merged: list[list[float]] = []
    for video, label, start, end in sorted(
        (video, place[segment.label], segment.start, segment.end) for video, segment in rows
    ):
        if merged and merged[-1][:2] == [video, label] and start <= merged[-1][3]:
            merged[-1][3] = max(end, merged[-1][3])
        else:
            merged.append([video, label, start, end])
    table = np.array(merged, np.float64)
    return Columns(
        table[:, 0].astype(np.int64),
        table[:, 1].astype(np.int64),
        table[:, 2:],
        np.ones(len(table)),
    )


def _warnings(
    truth: Annotations, streams: Sequence[Stream], common: Sequence[Stream], ends: np.ndarray
) -> Iterator[str]:
    """What a reader must know before any number."""
    if truth.background is not None:
        yield truth.background_note
    others = [stream.video for stream in streams if stream.video not in truth.videos]
    if others:
        yield f"Left out: {_named(others, 'stream')} of videos that the truth does not have."
    without = sorted({*truth.videos} - {stream.video for stream in common})
    if without:
        yield f"Left out, because they have no stream: {_named(without, 'video')} of the truth."
    for stream, end in zip(common, ends.tolist(), strict=True):
        whole = truth.videos[stream.video].duration
        if whole is not None and end < whole - stride_slack(stream):
            yield (
                f"{printable(stream.video)}: only its first {end:,.1f} of {whole:,.1f} s are evaluated, "
                "which the stream has."
            )
        if stream.duration > end + stride_slack(stream) + BEYOND:
            yield (
                f"{printable(stream.video)}: the stream has {stream.duration:,.1f} s, and the annotated "
                f"video ends at {end:,.1f} s; the rest is not evaluated."
            )


def _first(names: Sequence[str]) -> str:
    return ", ".join(map(printable, names[:SHOWN])) + ", ..." * (len(names) > SHOWN)


def _named(names: Sequence[str], thing: str) -> str:
    return f"{len(names):,} {thing}{'s' * (len(names) != 1)} ({_first(names)})"
