"""What happens when in which video, as people annotated it: ActivityNet JSON, and lists of segments.

    {"database": {"film": {"subset": "validation", "duration": 61.2,
                           "annotations": [{"segment": [2.5, 9.0], "label": "Long jump"}]}}}

    path label start end        (a line of a list: /videos/film.mp4 3 2.5 9.0)

A video is called by its name without folder and suffix. Times are seconds.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from timesformer.datasets.activitynet import (
    AnnotationsError,
    is_number,
    labelled_part,
    read_database,
)
from timesformer.datasets.list_lines import parse_row
from timesformer.datasets.list_text import numbered_lines
from timesformer.detection.background import choose_background
from timesformer.io.terminal import printable

BEYOND = 0.1  # seconds that a segment may end after its video: durations are rounded
DEFAULT_SUBSET = "validation"


class Segment(NamedTuple):
    """An action of class ``label`` from ``start`` to ``end`` seconds."""

    label: str
    start: float
    end: float


class Video(NamedTuple):
    """The annotations of one video."""

    segments: tuple[Segment, ...]
    duration: float | None  # seconds, where the file says it


@dataclass(frozen=True)
class Annotations:
    """The annotated videos of one subset."""

    origin: Path
    videos: Mapping[str, Video]  # by name
    subset: str | None  # None: the file has no subsets
    elsewhere: frozenset[str] = frozenset()  # names of videos in other subsets
    labels_elsewhere: frozenset[str] = frozenset()  # classes that only other subsets have
    background: str | None = None  # the class whose annotations are left out
    num_background: int = 0  # annotations of it

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes of the subset, sorted."""
        found = {segment.label for video in self.videos.values() for segment in video.segments}
        return tuple(sorted(found))

    @property
    def background_note(self) -> str:
        """What a reader must know if there is a background."""
        return (
            f"Left out: {self.num_background:,} annotation{'s' * (self.num_background != 1)} of "
            f"{printable(self.background)}, the class without an action; --background none counts it."
        )

    def rows(self) -> Iterator[tuple[str, Segment]]:
        """Name of the video, and segment, of every annotation."""
        for name, video in self.videos.items():
            yield from ((name, segment) for segment in video.segments)


def read_annotations(
    path: Path,
    *,
    subset: str | None = None,
    class_names: Sequence[str] = (),
    clean: bool = False,
    background: str | None = None,
) -> Annotations:
    """The annotations of a subset, without those of the background.

    Args:
        path: ActivityNet JSON, else a list of segments.
        subset: None takes ``validation`` if there is one, or the only subset.
        class_names: of the labels of a list, which are numbers.
        clean: repair what can be, as OpenTAD does: an annotation that occurs twice counts once, one
            that ends after its video is cut there, one that holds nothing is left out.
        background: the class without an action, see ``choose_background``.

    Raises:
        AnnotationsError: no such file, subset or background, another layout, no annotation, or one that
            ends before it starts or after its video.
        ListError: a line of a list is wrong.
    """
    if path.is_dir():
        raise AnnotationsError(f"{printable(path)} is a folder; name the file of the annotations")
    is_json = path.suffix.lower() == ".json"
    database = read_database(path) if is_json else _listed(path, class_names)
    chosen = _subset(path, database, subset)
    videos: dict[str, Video] = {}
    other_labels: set[str] = set()
    for name, entry in database.items():
        video = _video(path, name, entry)
        if chosen is None or entry.get("subset") == chosen:
            videos[name] = cleaned(video) if clean else checked(path, name, video)
        else:
            other_labels |= {segment.label for segment in video.segments}
    found = Annotations(path, videos, chosen, frozenset(database.keys() - videos.keys()))
    if not found.labels:
        where = f" of the subset {printable(chosen)}" if chosen else ""
        raise AnnotationsError(f"{printable(path)}: no annotation{where}; there is nothing to find")
    rest = frozenset(other_labels - {*found.labels})
    return without_background(replace(found, labels_elsewhere=rest), background)


def without_background(annotations: Annotations, background: str | None) -> Annotations:
    """``annotations`` without those of the class that ``choose_background`` names.

    Raises:
        AnnotationsError: there is no such class, or no other one.
    """
    label = choose_background(annotations.labels, background)
    if label is None:
        return annotations
    where = printable(annotations.origin)
    if label not in annotations.labels:
        shown = ", ".join(map(printable, annotations.labels[:3]))
        raise AnnotationsError(
            f"{where}: no annotation of {printable(label)}, which is to be the background; there are "
            f"those of {shown}{', ...' * (len(annotations.labels) > 3)}"
        )
    if len(annotations.labels) == 1:
        raise AnnotationsError(
            f"{where}: all annotations are of {printable(label)}, the background, so there is nothing to "
            "find; pass --background none if it is an action"
        )
    videos = {
        name: video._replace(segments=tuple(s for s in video.segments if s.label != label))
        for name, video in annotations.videos.items()
    }
    count = sum(segment.label == label for _, segment in annotations.rows())
    return replace(annotations, videos=videos, background=label, num_background=count)


def duplicates(annotations: Annotations) -> list[tuple[str, Segment]]:
    """The annotations that occur more than once, each once."""
    return [row for row, count in Counter(annotations.rows()).items() if count > 1]


def cleaned(video: Video) -> Video:
    """``video`` without duplicates and empty segments, cut at its end."""
    end = math.inf if video.duration is None else video.duration
    cut = (Segment(s.label, max(s.start, 0.0), min(s.end, end)) for s in video.segments)
    return video._replace(segments=tuple(dict.fromkeys(s for s in cut if s.start < s.end)))


def checked(path: Path, name: str, video: Video) -> Video:
    """``video``, or an AnnotationsError that names its first wrong segment."""
    for segment in video.segments:
        problem = _problem(segment, video.duration)
        if problem:
            raise AnnotationsError(
                f"{printable(path)}: {printable(name)} has {printable(segment.label)} from "
                f"{segment.start:g} to {segment.end:g} s, {problem}; correct it, or pass --clean"
            )
    return video


def _problem(segment: Segment, duration: float | None) -> str:
    if not (math.isfinite(segment.start) and math.isfinite(segment.end)):
        return "which are not times"
    if segment.end <= segment.start:
        return "which holds nothing"
    if segment.start < 0:
        return "which begins before the video"
    if duration is not None and segment.end > duration + BEYOND:
        return f"but the video ends at {duration:g} s"
    return ""


def _listed(path: Path, class_names: Sequence[str]) -> dict[str, Any]:
    """A list of segments in the form of a database without subsets."""
    if not path.is_file():
        raise AnnotationsError(f"{printable(path)}: no such file")
    database: dict[str, Any] = {}
    paths: dict[str, str] = {}
    for number, line in numbered_lines(path):
        where = f"{printable(path)}:{number}"
        row = parse_row(line, " ", where)
        if math.isnan(row.start):
            raise AnnotationsError(f"{where}: no times; a segment is `path label start end`")
        name = Path(row.path).stem
        if paths.setdefault(name, row.path) != row.path:
            raise AnnotationsError(
                f"{where}: {printable(row.path)} and {printable(paths[name])} are both called "
                f"{printable(name)}; results go by this name, so give one of them another"
            )
        entry = database.setdefault(name, {"annotations": []})
        for label in row.labels:
            if class_names and not 0 <= label < len(class_names):
                raise AnnotationsError(
                    f"{where}: label {label} is outside 0 .. {len(class_names) - 1}, the classes"
                )
            text = class_names[label] if class_names else str(label)
            entry["annotations"].append({"label": text, "segment": [row.start, row.end]})
    if not database:
        raise AnnotationsError(
            f"{printable(path)}: no segment in it; one is `path label start end`"
        )
    return database


def _subset(path: Path, database: Mapping[str, Any], wanted: str | None) -> str | None:
    """The subset to take."""
    counts = Counter(str(entry["subset"]) for entry in database.values() if entry.get("subset"))
    if not counts and wanted is None:
        return None
    chosen = wanted
    if chosen is None:
        chosen = next(iter(counts)) if len(counts) == 1 else DEFAULT_SUBSET
    if chosen not in counts:
        there = ", ".join(f"{printable(name)} ({n} videos)" for name, n in counts.items())
        raise AnnotationsError(
            f"{printable(path)}: no video of the subset {printable(chosen)}; it has "
            f"{there or 'no subsets'}; choose one with --subset"
            + ", or leave it out"
            * (not counts)
        )
    return chosen


def _video(path: Path, name: str, entry: Mapping[str, Any]) -> Video:
    duration = entry.get("duration")
    if duration is not None and not (is_number(duration) and duration > 0):
        raise AnnotationsError(
            f"{printable(path)}: {printable(name)} has the duration {printable(duration)}, which is "
            "not a number of seconds above 0"
        )
    parts = (labelled_part(path, name, each) for each in entry.get("annotations", []))
    return Video(
        tuple(Segment(*part) for part in parts), None if duration is None else float(duration)
    )
