"""A folder with the optical flow of videos: reading it, and what it lacks, before a run starts."""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from timesformer.datasets.flow_clips import within
from timesformer.datasets.lists import VideoList, source_files
from timesformer.io.timelimit import map_in_threads
from timesformer.video import Frames, FrameSelector, VideoError
from timesformer.video.flow import FlowError, FlowSettings
from timesformer.video.flow_file import (
    UnreadableError,
    differences,
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


class CacheProblem(NamedTuple):
    """Why the flow of a video cannot be used."""

    kind: str  # completes "3 of 40 videos ..."
    detail: str = ""  # of this video
    is_other: bool = False  # the folder holds flow of other settings


def cache_problems(
    videos: VideoList,
    cache: Path,
    settings: FlowSettings,
    *,
    command: Callable[[str], str],
) -> Iterator[str]:
    """What a cache lacks of the videos of a list; ``command`` extracts it into a folder."""
    sources = list(dict.fromkeys(videos.sources))
    found = map_in_threads(
        lambda source: _problem(source, cache, settings),
        sources,
        seconds=CHECK_SECONDS,
        at_once=CHECKS_AT_ONCE,
    )
    groups: dict[str, list[int]] = {}
    for i, problem in enumerate(found):
        if problem:
            groups.setdefault(problem.kind, []).append(i)
    for numbers in groups.values():
        first, out, remedy = found[numbers[0]], str(cache), ""
        assert first is not None
        if first.is_other:
            out = f"{cache}_{settings.method}_{settings.bound:g}_{settings.short_side}"
            remedy = "; set DATA.FLOW.* to that, or DATA.FLOW.CACHE to the folder that this writes"
        names = ", ".join(sources[i] for i in numbers[:NAMED])
        names += ", ..." if len(numbers) > NAMED else ""
        yield (
            f"{videos.origin}: {len(numbers)} of {len(sources)} videos ({names}) {first.kind}"
            f"{first.detail}{remedy}; run: {command(out)}"
        )


def _problem(source: str, cache: Path, settings: FlowSettings) -> CacheProblem | None:
    """Why the flow of a video cannot be used. A missing video is not told here."""
    try:
        path = flow_path(cache, digest(source_files(source)))
    except (OSError, VideoError):
        return None
    try:
        found = read_meta(path).settings
    except FileNotFoundError:
        return CacheProblem(f"have no flow in {cache}")
    except UnreadableError:  # counted when it is read, as without a cache
        return None
    except FlowError as error:
        return CacheProblem("have a damaged file of flow", f" ({error})")
    if found == settings:
        return None
    return CacheProblem(f"have flow of {differences(found, settings)} in {cache}", is_other=True)


def extract_command(
    origin: str, out: str, *, settings: FlowSettings, prefix: str, separator: str, weights: str
) -> str:
    """The command that writes the flow of a list into the folder ``out``."""
    words = ["timesformer", "extract-flow", origin, "--out", out, "--method", settings.method]
    words += ["--bound", f"{settings.bound:g}", "--short-side", str(settings.short_side)]
    words += ["--apply-rotation"] * settings.apply_rotation
    words += ["--prefix", prefix] if prefix else []
    words += ["--separator", separator] if separator != " " else []
    words += ["--weights", weights] if weights else []
    return shlex.join(words)
