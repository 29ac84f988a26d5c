"""Detections as subtitles, SRT and WebVTT: players show what is happening.

The text of a cue is ``label 93 %``; times are rounded to milliseconds, scores to percent. Read again,
they are what is written.
"""

import html
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from timesformer.detection.results import Detection, ResultsError
from timesformer.files import write_atomically
from timesformer.io.terminal import printable

_TIMES = re.compile(r"\s*(?P<start>[\d:]+[.,]\d{3})\s+-->\s+(?P<end>[\d:]+[.,]\d{3})(?:\s.*)?")
_TEXT = re.compile(r"(?P<label>.*) (?P<percent>-?\d+) %")


def write_srt(path: Path, detections: Iterable[Detection]) -> None:
    """Write SubRip subtitles in the order of time; WriteError if the file cannot be written."""
    with write_atomically(path, option="--out") as file:
        for number, row in enumerate(sorted(detections, key=_by_time), start=1):
            text = _text(row).replace("-->", "→")
            file.write(f"{number}\n{_cue_times(row, ',')}\n{text}\n\n")


def write_vtt(path: Path, detections: Iterable[Detection]) -> None:
    """Write WebVTT, which browsers show, in the order of time; WriteError as above."""
    with write_atomically(path, option="--out") as file:
        file.write("WEBVTT\n")
        for row in sorted(detections, key=_by_time):
            text = html.escape(_text(row), quote=False)
            file.write(f"\n{_cue_times(row, '.')}\n{text}\n")


def read_subtitles(path: Path) -> list[Detection]:
    """The detections of a file that ``write_srt`` or ``write_vtt`` has written.

    Raises:
        ResultsError: there is no such file, or a cue is of another kind.
    """
    try:
        lines = path.read_text("utf-8-sig", errors="surrogateescape").split("\n")
    except OSError as error:
        raise ResultsError(f"{printable(path)} cannot be read: {error.strerror}") from error
    escaped = lines[0].startswith("WEBVTT")
    return list(_cues(path, lines, escaped=escaped))


def _cues(path: Path, lines: list[str], *, escaped: bool) -> Iterator[Detection]:
    for number, line in enumerate(lines, start=1):
        times = _TIMES.fullmatch(line)
        if not times:
            continue
        text = lines[number] if number < len(lines) else ""
        match = _TEXT.fullmatch(html.unescape(text) if escaped else text)
        if not match:
            raise ResultsError(
                f"{printable(path)}:{number + 1}: {printable(text[:60])!r} is not `label 93 %`"
            )
        start, end = _seconds(times["start"]), _seconds(times["end"])
        yield Detection(match["label"], int(match["percent"]) / 100, start, end)


def _by_time(row: Detection) -> tuple[float, float, str]:
    return row.start, row.end, row.label


def _text(row: Detection) -> str:
    return f"{printable(row.label)} {100 * row.score:.0f} %"


def _cue_times(row: Detection, mark: str) -> str:
    return f"{_clock(row.start, mark)} --> {_clock(row.end, mark)}"


def _clock(seconds: float, mark: str) -> str:
    """``01:02:03.456``."""
    whole, milliseconds = divmod(round(max(seconds, 0.0) * 1000), 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}{mark}{milliseconds:03d}"


def _seconds(text: str) -> float:
    """Of hours:minutes:seconds or minutes:seconds."""
    total = 0.0
    for part in text.replace(",", ".").split(":"):
        total = total * 60 + float(part)
    return round(total, 3)
