"""A folder of class folders as lists: split by class and film, and kept the same when a run resumes."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from timesformer.datasets.annotation_formats import read_class_folders
from timesformer.datasets.annotations import Source, describe_unlisted, locate_clips
from timesformer.datasets.class_names import class_names
from timesformer.datasets.folders import VideoFolder
from timesformer.datasets.list_text import ListError
from timesformer.datasets.splits import assign_splits, complete_splits, shares_for
from timesformer.datasets.write_lists import Parts, write_lists


class ClassFolders(NamedTuple):
    """The videos of a folder of class folders by split, and the names of the classes."""

    parts: Parts
    class_names: tuple[str, ...]
    remarks: list[str]  # on files that are not used


def split_class_folders(folder: Path, classes: str, *, seed: int) -> ClassFolders:
    """The videos below ``folder`` by split.

    Raises:
        ListError: no folder, no videos, no class folders, a class that cannot be divided, or
            ``classes`` (a file or a known data set) that are not those of the folders.
    """
    if not folder.is_dir():
        raise ListError(f"{folder} is not a folder; give the folder of your class folders")
    videos = VideoFolder(folder)
    if not videos.paths:
        raise ListError(f"{folder} holds no video file and no frame folder; check the path")
    annotations = read_class_folders(Source(videos))
    if classes:
        annotations = read_class_folders(
            Source(videos, class_names=_reordered(classes, annotations.class_names))
        )
    entries, _ = locate_clips(annotations.clips, videos)
    remarks = [*videos.describe_unused(), *describe_unlisted(videos, entries)]
    shares = shares_for(entries, annotations.class_names)
    entries = assign_splits(entries, seed=seed, shares=shares, names=annotations.class_names)
    return ClassFolders(complete_splits(entries), annotations.class_names, remarks)


def _reordered(classes: str, found: Sequence[str]) -> tuple[str, ...]:
    """The class names of ``classes``, in their order, if they are those of the folders."""
    names = class_names(classes)
    if absent := sorted(set(names) ^ set(found)):
        raise ListError(
            f"{classes} names {len(names)} classes and there are {len(found)} class folders, which differ "
            f"in {', '.join(absent[:4])}{', ...' if len(absent) > 4 else ''}; rename, or leave out "
            "--classes"
        )
    return names


def keep_lists(folder: Path, parts: Parts, names: Sequence[str]) -> None:
    """Write the lists; if they are there already, they must be these.

    Raises:
        ListError: they are others, so what was trained on could be tested on.
    """
    if not folder.is_dir():
        write_lists(folder, parts, names)
        return
    with tempfile.TemporaryDirectory() as other:
        write_lists(Path(other), parts, names)
        for path in Path(other).iterdir():
            old = folder / path.name
            if not old.is_file() or old.read_bytes() != path.read_bytes():
                raise ListError(
                    f"{old} was written for other videos or another --seed, and resuming would mix "
                    "training with test videos; use another --out"
                )
