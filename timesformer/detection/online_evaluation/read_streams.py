"""Scores of streams from files and folders: lines of ``watch``, ``NAME.scores.npz`` of ``detect``."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from timesformer.detection.files import SCORES
from timesformer.detection.online_evaluation.read_lines import read_lines
from timesformer.detection.online_evaluation.streams import Stream, StreamError
from timesformer.detection.timeline import read_timeline
from timesformer.io.terminal import printable

LINES = (".jsonl", ".ndjson")


def read_streams(
    paths: Sequence[Path], *, video: str | None = None, timeline: int | None = None
) -> list[Stream]:
    """The scores of all files, by the name of the video.

    Args:
        paths: files, and folders of which all JSONL and scores are read.
        video: the name of the only one, where that of its source is not that of the truth.
        timeline: see ``read_lines``.

    Raises:
        StreamError: no such file, none in a folder, two of one video, or other classes in one of them.
        TimelineError: a file of scores is damaged.
    """
    files = [file for path in paths for file in _files(path)]
    if video is not None and len(files) > 1:
        raise StreamError(
            f"--video names one stream, and there are {len(files)} files, as {printable(files[0])} and "
            f"{printable(files[1])}; name one file, or leave it out"
        )
    streams: dict[str, Stream] = {}
    for file in files:
        stream = _read(file, video, timeline)
        if stream.video in streams:
            raise StreamError(
                f"{printable(file)} and {printable(streams[stream.video].origin)} are both of "
                f"{printable(stream.video)}; leave one of them out"
            )
        streams[stream.video] = stream
    found = [streams[name] for name in sorted(streams)]
    for other in found[1:]:
        if other.class_names != found[0].class_names:
            raise StreamError(
                f"{printable(found[0].origin)} and {printable(other.origin)} have other classes "
                f"({len(found[0].class_names)} and {len(other.class_names)}); evaluate streams of "
                "one model"
            )
    return found


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = [
        file
        for file in sorted(path.iterdir())
        if file.suffix.lower() in LINES or file.name.endswith(SCORES)
    ]
    if not found:
        raise StreamError(
            f"{printable(path)}: no scores in this folder; they are files NAME.jsonl of timesformer watch "
            f"--probabilities, or NAME{SCORES} of timesformer detect"
        )
    return found


def _read(path: Path, video: str | None, timeline: int | None) -> Stream:
    if path.name.endswith(".npz"):
        return read_scores(path, video=video)
    return read_lines(path, video=video, timeline=timeline)


def read_scores(path: Path, *, video: str | None = None) -> Stream:
    """The windows of ``timesformer detect`` as those of a stream without latency.

    Raises:
        TimelineError: it is not a file of scores.
        StreamError: no window has scores.
    """
    found = read_timeline(path)
    seen = ~np.isnan(found.probabilities).any(axis=1)
    if not seen.any():
        raise StreamError(f"{printable(path)}: no window has scores; detect again")
    # A video that is shorter than a window is one window, which ends with it.
    windows = np.minimum(found.windows, [np.inf, found.duration])
    starts = windows[:, 0]
    span = float(windows[0, 1] - starts[0])
    return Stream(
        video=video or path.name.removesuffix(".npz").removesuffix(".scores"),
        origin=path,
        class_names=found.class_names,
        windows=windows[seen],
        scores=found.probabilities[seen],
        duration=found.duration,
        stride=float(np.median(np.diff(starts))) if len(starts) > 1 else span,
        unread=int((~seen).sum()),
    )
