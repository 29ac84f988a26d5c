"""What every annotation format comes down to: clips with labels, then the videos that they name.

Source -> a parser of ``annotation_formats`` -> Annotations (clips) -> ``locate_clips`` -> entries
"""

import os
from collections.abc import Iterable, Mapping
from math import nan
from pathlib import Path
from typing import NamedTuple

from timesformer.datasets.folders import VideoFolder
from timesformer.datasets.list_text import ListError
from timesformer.io.terminal import printable

SPLITS = ("train", "val", "test")
SPLIT_NAMES = {name: name for name in SPLITS} | {"training": "train", "testing": "test"}
SPLIT_NAMES |= {"validate": "val", "validation": "val", "valid": "val"}


class AnnotatedClip(NamedTuple):
    """One labelled clip as annotated: the video ``name``, or a part of the video ``whole``.

    ``name`` is looked for first; ``whole`` with the part from ``start`` to ``end`` (seconds) where
    there is no such video. ``split`` is train, val, test, or empty where the format has none.
    """

    name: str
    labels: tuple[int, ...]
    split: str = ""
    folders: tuple[str, ...] = ()  # where the video lies if several have its name
    whole: str = ""
    start: float = nan
    end: float = nan


class Annotations(NamedTuple):
    """Clips, and the names of their classes (none if the format has none)."""

    clips: list[AnnotatedClip]
    class_names: tuple[str, ...] = ()


class Source(NamedTuple):
    """What a format is read from; a format names the parts that it misses."""

    videos: VideoFolder
    annotations: tuple[Path, ...] = ()  # files or a folder, see each format
    lists: Mapping[str, Path] = {}  # split -> file, for formats with a file a split
    class_names: tuple[str, ...] = ()  # in the order of the labels, if the caller knows them
    fold: int = 1  # which of several official splits
    encoding: str = "utf-8"  # of text files
    first_label: int = 0  # that the labels of the files count from
    label: str = ""  # which of several annotated things is the class, of films
    subsets: Mapping[str, str] = {}  # subset as the files call it -> split, of films


class LocatedClip(NamedTuple):
    """A located clip: a row of our lists."""

    path: Path
    labels: tuple[int, ...]
    split: str
    start: float
    end: float


def locate_clips(
    clips: Iterable[AnnotatedClip], videos: VideoFolder
) -> tuple[list[LocatedClip], list[AnnotatedClip]]:
    """The clips of which ``videos`` has the video, in order, and the others.

    Raises:
        ListError: none is there.
    """
    entries, missing = [], []
    for clip in clips:
        path = _absolute(clip.name) or videos.find(clip.name, parents=clip.folders)
        if path and clip.whole == clip.name:
            entries.append(LocatedClip(path, clip.labels, clip.split, clip.start, clip.end))
        elif path:
            entries.append(LocatedClip(path, clip.labels, clip.split, nan, nan))
        elif clip.whole and (path := videos.find(clip.whole, parents=clip.folders)):
            entries.append(LocatedClip(path, clip.labels, clip.split, clip.start, clip.end))
        else:
            missing.append(clip)
    if not entries:
        example = f", as {printable(missing[0].name)}" if missing else ""
        raise ListError(
            f"none of the {len(missing)} annotated videos is in {videos.root} ({len(videos.paths)} "
            f"videos){example}; pass the folder of the videos as --videos"
        )
    return entries, missing


def describe_unlisted(videos: VideoFolder, entries: Iterable[LocatedClip]) -> list[str]:
    """A line on the videos of a folder that no entry has, if there are any."""
    listed = {os.path.abspath(entry.path) for entry in entries}
    others = [path for path in videos.paths if os.path.abspath(path) not in listed]
    if not others:
        return []
    first = printable(others[0].relative_to(videos.root))
    return [f"not used: {len(others)} video(s): they have no label; the first: {first}"]


def _absolute(name: str) -> Path | None:
    """The path ``name`` if it says by itself where a file lies, and it does lie there."""
    path = Path(name)
    return path if path.is_absolute() and path.exists() else None
