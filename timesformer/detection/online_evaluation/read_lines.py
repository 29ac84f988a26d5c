"""JSON lines of ``timesformer watch --probabilities`` to the scores of a stream; what is wrong is named.

{"kind": "stream", "source": "film.mp4", "class_names": [...], "span": 2.13, "stride": 0.5, "speed": 1.0}
{"kind": "window", "timeline": 0, "start": 0.0, "end": 2.13, "latency": 0.05, "probabilities": [...]}
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from timesformer.detection.online_evaluation.streams import Announced, Stream, StreamError
from timesformer.io.terminal import printable

WAITS = "wait"  # the stream waits for the model: a file without a pace
AGAIN = "watch again with --probabilities"
Row = Mapping[str, Any]


class Line(NamedTuple):
    """One line of the file."""

    number: int  # from 1
    row: Row


Kinds = Mapping[str, list[Line]]


def read_lines(path: Path, *, video: str | None = None, timeline: int | None = None) -> Stream:
    """The scores of one file.

    Args:
        path: lines of ``timesformer watch``.
        video: its name in the truth, default: that of the source without folder and suffix.
        timeline: which one, where the time of the stream began anew.

    Raises:
        StreamError: it has other lines, no probabilities, or times that go back.
    """
    kinds = _by_kind(path)
    if not kinds:
        raise StreamError(f"{printable(path)} is empty; {AGAIN}")
    heads = kinds.get("stream", [])
    if len(heads) != 1:
        raise StreamError(
            f"{printable(path)} has {len(heads)} lines of the kind stream, and must have one, the first "
            f"that timesformer watch prints; write one file for each stream"
        )
    head = heads[0].row
    names = _class_names(path, head)
    kinds = _of_timeline(path, kinds, timeline)
    windows = [line for line in kinds.get("window", ()) if line.row.get("probability") is not None]
    if not windows or any("probabilities" not in line.row for line in windows):
        lacking = f"{printable(path)} has no probabilities in its windows"
        raise StreamError(f"{lacking}, only events or the likeliest classes; {AGAIN}")
    last = max((_last(line.row) for line in kinds.get("summary", ())), default=math.inf)
    times, scores = _times(path, windows), _scores(path, windows, len(names))
    speed = _speed(head)
    rest = chain(kinds.get("window", ()), kinds.get("skipped", ()), kinds.get("summary", ()))
    duration = max(_last(line.row) for line in rest)
    if (
        len(times) == 1 and times[0, 0] < last < times[0, 1]
    ):  # a stream that is shorter than a window
        times[0, 1] = duration = last
    return Stream(
        video=video or source_name(str(head.get("source", ""))),
        origin=path,
        class_names=names,
        windows=times,
        scores=scores,
        duration=duration,
        stride=float(head["stride"]),
        delays=None if speed is None else _delays(path, windows, speed),
        skipped=len(kinds.get("skipped", ())),
        unread=len(kinds.get("window", ())) - len(windows),
        announced=tuple(_announced(path, line, speed) for line in kinds.get("start", ())),
        withdrawn=len(kinds.get("withdrawn", ())),
    )


def source_name(source: str) -> str:
    """``film`` of ``/videos/film.mp4``, ``door`` of ``rtsp://camera:554/door``."""
    text = urlsplit(source).path if "://" in source else source
    return PurePosixPath(text).stem


def _by_kind(path: Path) -> Kinds:
    kinds: dict[str, list[Line]] = {}
    for line in _parsed(path):
        kinds.setdefault(line.row["kind"], []).append(line)
    return kinds


def _parsed(path: Path) -> Iterator[Line]:
    try:
        with path.open("rb") as file:
            for number, text in enumerate(file, 1):
                if text.strip():
                    yield Line(number, _row(path, number, text))
    except FileNotFoundError:
        raise StreamError(f"{printable(path)}: no such file or folder") from None
    except OSError as error:
        raise StreamError(f"{printable(path)} cannot be read: {error.strerror}") from error


def _row(path: Path, number: int, text: bytes) -> Row:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StreamError(
            f"{printable(path)}:{number}: the line is torn or not JSON ({printable(error)}); delete it, "
            "or watch again"
        ) from error
    if not (isinstance(row, dict) and isinstance(row.get("kind"), str)):
        raise StreamError(
            f'{printable(path)}:{number}: no object with a "kind"; lines are those of timesformer watch'
        )
    if isinstance(row.get("probabilities"), list):  # an array takes a tenth of the memory
        with suppress(TypeError, ValueError):
            row["probabilities"] = np.array(row["probabilities"], np.float32)
    return row


def _class_names(path: Path, head: Row) -> tuple[str, ...]:
    names, stride = head.get("class_names"), _number(head.get("stride"))
    if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
        raise StreamError(
            f"{printable(path)}: its line of the kind stream has no class_names; {AGAIN}"
        )
    if stride is None or stride <= 0:
        raise StreamError(
            f"{printable(path)}: its line of the kind stream has no stride above 0; {AGAIN}"
        )
    return tuple(names)


def _speed(head: Row) -> float | None:
    """Seconds of the stream in a second of the wall; None of a file that is read as fast as it can be."""
    paced = _number(head.get("speed"))
    return 1.0 if paced is None and head.get("late", WAITS) != WAITS else paced


def _of_timeline(path: Path, kinds: Kinds, wanted: int | None) -> Kinds:
    """The lines of one timeline, and those of none; several without a choice are an error."""
    anew = kinds.get("timeline", [])
    if anew and wanted is None:
        raise StreamError(
            f"{printable(path)}:{anew[0].number}: the time of the stream began anew here "
            f"({printable(anew[0].row.get('reason', 'no reason'))}), and annotations are of one timeline; "
            f"watch again, or choose one with --timeline 0 to {len(anew)}"
        )
    if wanted is not None and wanted not in range(len(anew) + 1):
        raise StreamError(
            f"{printable(path)}: no timeline {wanted}; it has those from 0 to {len(anew)}"
        )
    if not anew:
        return kinds
    return {
        kind: [line for line in lines if line.row.get("timeline", wanted) == wanted]
        for kind, lines in kinds.items()
        if kind != "summary"  # which is of all timelines
    }


def _times(path: Path, windows: Sequence[Line]) -> np.ndarray:
    """(W, 2) seconds, of which both rise."""
    try:
        times = np.array([(line.row["start"], line.row["end"]) for line in windows], np.float64)
    except (KeyError, TypeError, ValueError):
        times = np.full((len(windows), 2), np.nan)
    bad = ~(np.isfinite(times).all(axis=1) & (times[:, 0] < times[:, 1]))
    bad[1:] |= (np.diff(times, axis=0) < 0).any(axis=1) | (np.diff(times[:, 1]) == 0)
    if bad.any():
        line = windows[int(bad.argmax())]
        raise StreamError(
            f"{printable(path)}:{line.number}: a window from {printable(line.row.get('start'))} to "
            f"{printable(line.row.get('end'))} s; a window ends after its start and after the one before, "
            "in seconds"
        )
    return times


def _scores(path: Path, windows: Sequence[Line], num_classes: int) -> np.ndarray:
    """(W, K) probabilities."""
    for line in windows:
        found = line.row["probabilities"]
        if not (isinstance(found, np.ndarray) and found.shape == (num_classes,)):
            count = len(found) if isinstance(found, np.ndarray) else "no"
            raise StreamError(
                f"{printable(path)}:{line.number}: {count} probabilities for {num_classes} classes; "
                f"{AGAIN}"
            )
    scores = np.stack([line.row["probabilities"] for line in windows])
    bad = ~np.isfinite(scores).all(axis=1)
    if bad.any():
        number = windows[int(bad.argmax())].number
        raise StreamError(
            f"{printable(path)}:{number}: probabilities that are not finite numbers; {AGAIN}"
        )
    return scores


def _delays(path: Path, windows: Sequence[Line], speed: float) -> np.ndarray:
    """(W,) seconds of stream time: a second of the wall is ``speed`` of them."""
    return np.array([_latency(path, line) * speed for line in windows])


def _announced(path: Path, line: Line, speed: float | None) -> Announced:
    label = line.row.get("label")
    start, known_at = (_number(line.row.get(name)) for name in ("start", "known_at"))
    if not isinstance(label, str) or start is None or known_at is None:
        raise StreamError(
            f"{printable(path)}:{line.number}: a start without label, start and known_at; watch again"
        )
    delay = None if speed is None else _latency(path, line) * speed
    return Announced(label, start, known_at, delay)


def _latency(path: Path, line: Line) -> float:
    latency = _number(line.row.get("latency"))
    if latency is None or latency < 0:
        raise StreamError(
            f"{printable(path)}:{line.number}: the latency is {printable(line.row.get('latency'))}, and "
            "must be a number of seconds; watch again"
        )
    return latency


def _last(row: Row) -> float:
    """The second up to which a line says that the stream was read."""
    return _number(row.get("end", row.get("stream_seconds"))) or 0.0


def _number(value: object) -> float | None:
    """A finite number of JSON, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
