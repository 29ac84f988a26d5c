"""Lists to index rows: what the index knows is reused, the rest is scanned and kept as it comes."""

import math
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from timesformer.datasets.checks.inspection import inspect_video
from timesformer.datasets.checks.listing import Listing
from timesformer.datasets.checks.video_info import VideoInfo
from timesformer.datasets.checks.worker_pool import Progress, Result, map_with_timeout
from timesformer.datasets.scan_index import (
    UNKNOWN,
    ScanRow,
    file_state,
    read_index,
    row_key,
    write_index,
)
from timesformer.io.terminal import printable
from timesformer.io.timelimit import TimeLimitError, call_with_timeout, map_in_threads
from timesformer.video.remote import is_url
from timesformer.video.sources import CHECK_SECONDS, CHECKS_AT_ONCE

FLUSH_SECONDS = 5.0  # between two writes of the indices; more if writing takes long
SILENT = (-1, 0)  # in place of the size and time of what does not answer
WRITING_SHARE = 0.05  # of the time of a scan that may go into writing


class Scan(NamedTuple):
    """Rows by video file (absent for a missing file), and how many were scanned or reused."""

    rows: dict[str, ScanRow]
    scanned: int
    reused: int


def scan(
    listings: list[Listing],
    *,
    workers: int,
    seconds: float,
    again: bool,
    progress: Progress,
    inspect: Callable[[str], VideoInfo] = inspect_video,
    elsewhere: Path | None = None,
) -> Scan:
    """Rows of all existing videos of ``listings``, written beside each list too.

    An interrupted scan leaves what it has in the indices.

    Args:
        listings: of one data set; a file in several of them is scanned once.
        workers: processes.
        seconds: time limit of one video.
        again: scan those with a problem once more, although they have not changed.
        progress: shows that results arrive.
        inspect: what happens to a video, see ``inspect_video``.
        elsewhere: folder of the indices of lists whose own folder cannot be written.
    """
    videos = (entry.video for listing in listings for entry in listing.entries)
    states = _states(videos, min(seconds, CHECK_SECONDS))
    rows = _reusable(listings, states, elsewhere, again=again)
    reused, todo = len(rows), [video for video in states if video not in rows]
    written, pause = time.monotonic(), FLUSH_SECONDS
    try:
        results = map_with_timeout(inspect, todo, workers=workers, seconds=seconds)
        for result in progress(results, len(todo)):
            rows[result.item] = _row(result, states[result.item])
            if time.monotonic() - written > pause:
                started = time.monotonic()
                _write(listings, rows, elsewhere)
                written = time.monotonic()
                pause = max(FLUSH_SECONDS, (written - started) / WRITING_SHARE)
    finally:
        _write(listings, rows, elsewhere)
    return Scan(rows, len(todo), reused)


def _states(videos: Iterable[str], seconds: float) -> dict[str, tuple[int, int]]:
    """Sizes and times of the videos that exist; remote ones are asked for in parallel.

    Those that do not answer within ``seconds`` are scanned, which says so.
    """

    def ask(name: str) -> tuple[int, int] | None:
        try:
            return call_with_timeout(seconds, lambda: file_state(name), what=printable(name))
        except TimeLimitError:
            return SILENT

    names = list(dict.fromkeys(videos))
    local = {name: file_state(name) for name in names if not is_url(name)}
    remote = [name for name in names if is_url(name)]
    states = map_in_threads(ask, remote, seconds=math.inf, at_once=CHECKS_AT_ONCE)
    found = local | dict(zip(remote, states, strict=True))
    return {name: state for name in names if (state := found[name]) is not None}


def _reusable(
    listings: list[Listing],
    states: dict[str, tuple[int, int]],
    elsewhere: Path | None,
    *,
    again: bool,
) -> dict[str, ScanRow]:
    rows = {}
    for listing in listings:
        index = read_index(listing.file, [elsewhere] if elsewhere else [])
        for video in {entry.video for entry in listing.entries} if index else ():
            row = index.get(row_key(video, listing.file))
            if row is None or states.get(video) != (row.size, row.mtime_ns):
                continue
            if row.remarks != UNKNOWN and not (again and row.problem):
                rows[video] = row
    return rows


def _row(result: Result, state: tuple[int, int]) -> ScanRow:
    info = result.value or VideoInfo(problem=result.problem, detail=result.detail)
    size, mtime_ns = state
    return ScanRow(path="", label=0, size=size, mtime_ns=mtime_ns, **info._asdict())


def _write(listings: list[Listing], rows: dict[str, ScanRow], elsewhere: Path | None) -> None:
    for listing in listings:
        kept = {}
        for entry in listing.entries:
            if entry.video in rows:
                key = row_key(entry.video, listing.file)
                kept[key] = rows[entry.video]._replace(path=key, label=entry.label)
        write_index(listing.file, kept.values(), elsewhere)


def default_workers() -> int:
    """One process a core that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
