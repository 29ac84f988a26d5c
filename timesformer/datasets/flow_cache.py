"""A folder with the optical flow of videos: reading it, and what it lacks, before a run starts."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from timesformer.datasets.flow_clips import within
from timesformer.datasets.lists import VideoList, source_files
from timesformer.io.timelimit import map_in_threads
from timesformer.video import Frames, FrameSelector, VideoError
from timesformer.video.flow import FlowError, FlowSettings
from timesformer.video.flow_file import (
    UnreadableError,
    digest,
    flow_path,
    read_fields,
    read_meta,
)
from timesformer.video.open_video import readable
from timesformer.video.sources import CHECK_SECONDS, CHECKS_AT_ONCE
from timesformer.video.timeline import Indices, Timeline

NAMED = 3  # videos that a message names; more are counted


def read_cached(
    cache: Path, source: str, select: FrameSelector, *, settings: FlowSettings
) -> Frames:
    """Fields of a video of a list, as ``flow_clips.compute_fields`` gives them; ``select`` is of rows.

    Raises:
        VideoError: the cache has no flow of this video, or of other settings, or it is damaged.
    """
    files = source_files(source)
    with readable(files[0]):
        path = flow_path(cache, digest(files))
    try:
        rows: list[Indices] = []

        def fields(timeline: Timeline) -> Indices:
            rows.append(select(timeline))
            return within(timeline, rows[-1][..., 1:], files[0])

        frames = read_fields(path, fields, settings=settings)
    except FileNotFoundError as error:
        raise VideoError(f"{files[0]}: {cache} has no flow of it ({path.name})") from error
    return replace(frames, indices=rows[-1][..., 0])


def cache_problems(
    videos: VideoList, cache: Path, settings: FlowSettings, *, command: str
) -> Iterator[str]:
    """What a cache lacks of the videos of a list; ``command`` extracts it."""
    sources = list(dict.fromkeys(videos.sources))
    found = map_in_threads(
        lambda source: _problem(source, cache, settings),
        sources,
        seconds=CHECK_SECONDS,
        at_once=CHECKS_AT_ONCE,
    )
    for problem in dict.fromkeys(filter(None, found)):
        names = [s for s, other in zip(sources, found, strict=True) if other == problem]
        yield _describe(videos.origin, len(sources), names, problem) + f"; run: {command}"


def _problem(source: str, cache: Path, settings: FlowSettings) -> str:
    """Why the flow of a video cannot be used; empty if it can. A missing video is not told here."""
    try:
        path = flow_path(cache, digest(source_files(source)))
    except (OSError, VideoError):
        return ""
    try:
        read_meta(path, settings=settings)
    except FileNotFoundError:
        return f"have no flow in {cache}"
    except UnreadableError:  # counted when it is read, as without a cache
        return ""
    except FlowError as error:
        return f"have other flow: {error}"
    return ""


def _describe(origin: str, count: int, names: Sequence[str], problem: str) -> str:
    shown = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
    return f"{origin}: {len(names)} of {count} videos ({shown}) {problem}"


def extract_command(
    origin: str, cache: str, settings: FlowSettings, *, prefix: str, separator: str, weights: str
) -> str:
    """The command that writes the flow of a list."""
    words = ["timesformer", "extract-flow", origin, "--out", cache, "--method", settings.method]
    words += ["--bound", f"{settings.bound:g}", "--short-side", str(settings.short_side)]
    words += ["--apply-rotation"] * settings.apply_rotation
    words += ["--prefix", prefix] if prefix else []
    words += ["--separator", separator] if separator != " " else []
    words += ["--weights", weights] if weights else []
    return shlex.join(words)
