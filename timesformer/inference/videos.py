"""Names of files, folders, globs and lists, and decoded frames, to videos."""

import glob
import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import numpy as np
from torch import Tensor

from timesformer.config import CfgNode, portable
from timesformer.datasets.build import build_test_cutter
from timesformer.datasets.folders import (
    IMAGE_SUFFIXES,
    VideoFolder,
    frame_files,
    natural_key,
)
from timesformer.datasets.lists import PackedStrings, VideoList, read_list_file
from timesformer.datasets.modality import build_modality
from timesformer.video import TimeSpan, VideoError
from timesformer.video.images import choose_images
from timesformer.video.sources import is_local_file

logger = logging.getLogger(__name__)

Video: TypeAlias = "str | PathLike[str] | Tensor | np.ndarray"  # a place, or decoded frames
Videos: TypeAlias = "Video | Sequence[Video] | VideoList"
LIST_SUFFIXES = (".csv", ".txt")
NAMED = 3  # images that a message names; more are counted


def is_one(videos: Videos) -> bool:
    """Whether this is a single video."""
    return isinstance(videos, str | PathLike | Tensor | np.ndarray)


def listed_videos(videos: Videos) -> VideoList | list[np.ndarray]:
    """Places as a list without labels, or decoded frames (N, H, W, 3) uint8.

    Raises:
        VideoError: places and frames in one list, or frames of another shape or type.
    """
    if isinstance(videos, VideoList):
        return videos
    several = [videos] if is_one(videos) else list(videos)
    if any(isinstance(video, Tensor | np.ndarray) for video in several):
        return [_images(video) for video in several]
    places = [str(portable(video)) if is_local_file(video) else str(video) for video in several]
    return VideoList(PackedStrings(places), np.zeros(len(places), np.int64), "the videos given")


def build_image_views(cfg: CfgNode, images: np.ndarray, *, fps: float) -> tuple[Tensor, TimeSpan]:
    """The test views of decoded frames (N, H, W, 3) uint8 RGB, and the seconds that they show.

    Views are (views, 3, T, S, S) uint8.

    Raises:
        VideoError: there are no frames, or they have no area.
    """
    read = build_modality(cfg).reader(partial(choose_images, images, fps=fps), "")
    cut = build_test_cutter(cfg)(read)
    return cut.clips, cut.frames.span


def _images(video: Video) -> np.ndarray:
    if isinstance(video, str | PathLike):
        raise VideoError(f"{video} stands among decoded frames; give files in a list of their own")
    images = np.asarray(video.cpu() if isinstance(video, Tensor) else video)
    if images.ndim == 4 and images.shape[1] == 3 != images.shape[3]:
        images = images.transpose(0, 2, 3, 1)
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        raise VideoError(
            f"frames are {images.dtype} {images.shape}, but must be uint8 RGB, (frames, height, "
            "width, 3) or (frames, 3, height, width)"
        )
    return images


def find_videos(names: Iterable[str], *, lists: bool = False) -> list[str]:
    """The videos that names of files, folders and globs mean, each once, in order.

    With ``lists`` a name may be that of a list too: it means its videos, also those of which its rows
    are parts, whole.

    A folder that holds images and no video files is one video, any other stands for all videos below
    it. Images that a glob matches beside videos are named and left out. URLs and members of tars are
    taken as they are.

    Raises:
        VideoError: a name means no video, or an image; all such names are listed together.
        ListError: a line of a list is none.
    """
    found: dict[str, None] = {}
    problems = []
    for name in names:
        try:
            listed = lists and bool(name) and is_list(name)
            found |= dict.fromkeys(row_names(read_rows(name)) if listed else _places(name))
        except VideoError as error:
            problems.append(str(error))
    if problems:
        raise VideoError("\n".join(problems))
    return list(found)


def is_list(name: str) -> bool:
    """Whether this is a list of videos, by its suffix."""
    return portable(name).is_file() and portable(name).suffix.lower() in LIST_SUFFIXES


def find_labelled(name: str) -> VideoList:
    """The videos of a list (``path label``), or those that ``find_videos`` finds.

    Their labels are those of the list; the folders that the videos lie in, if all lie in folders of
    a folder; -1 if they have none.

    Raises:
        ListError: a line of the list is none.
        VideoError: as ``find_videos``.
    """
    path = portable(name)
    if is_list(name):
        return read_list_file(path)
    places = find_videos([name])
    classes = [Path(place).parent.name for place in places]
    labels = [-1] * len(places)
    in_classes = path.is_dir() and all(Path(place).parent.parent == path for place in places)
    names = tuple(sorted(set(classes), key=natural_key)) if in_classes else ()
    if names:
        labels = [names.index(each) for each in classes]
    return VideoList(PackedStrings(places), np.array(labels, np.int64), name, names)


def read_rows(name: str) -> VideoList:
    """The videos of a list, and parts of videos; their labels do not matter.

    Raises:
        ListError: a line of the list is none.
        VideoError: videos do not exist.
    """
    videos = read_list_file(portable(name))
    if absent := list(dict.fromkeys(videos.missing())):
        what = ", ".join(absent[:NAMED]) + (", ..." if len(absent) > NAMED else "")
        raise VideoError(
            f"{name}: {len(absent)} video(s) of the list do not exist ({what}); correct the list"
        )
    return videos


def row_names(videos: VideoList) -> list[str]:
    """The name of the video of each row."""
    return [videos.name(i) for i in range(len(videos.labels))]


def _places(name: str) -> Iterator[str]:
    if not name:
        raise VideoError("the name of a video is empty; give a file, folder, glob, list or URL")
    path = portable(name)
    if not is_local_file(name):
        yield name
    elif path.is_dir():
        yield from _in_folder(path)
    elif path.exists():
        if _is_image(path):
            raise VideoError(
                f"{name}: an image is not a video, but a folder of frames is one: give {path.parent}"
            )
        yield str(path)
    elif not glob.has_magic(str(path)):
        raise VideoError(f"{name}: no such file or folder; check the path")
    else:
        yield from _matches(name)


def _matches(pattern: str) -> Iterator[str]:
    matches = sorted(glob.glob(str(portable(pattern)), recursive=True), key=natural_key)
    if not matches:
        raise VideoError(f"{pattern}: no file matches; check the pattern")
    images = [match for match in matches if _is_image(Path(match))]
    if images:
        what = ", ".join(images[:NAMED]) + (", ..." if len(images) > NAMED else "")
        remedy = f"a folder of frames is one video: give {Path(images[0]).parent}"
        if len(images) == len(matches):
            raise VideoError(f"{pattern}: matches only images ({what}); {remedy}")
        logger.warning("%s: left out %d image(s) (%s); %s", pattern, len(images), what, remedy)
    for match in matches:
        if not _is_image(Path(match)):
            yield from _places(match)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir()


def _in_folder(folder: Path) -> Iterator[str]:
    videos = VideoFolder(folder)
    beside = any(path.parent == folder and path.is_file() for path in videos.paths)
    if not beside:  # images beside videos are not frames
        try:
            frame_files(folder)
        except VideoError:
            if not videos.paths:
                raise VideoError(
                    f"{folder}: a folder without videos (.avi, .mkv, .mp4, ...) or frames"
                ) from None
        else:
            yield str(folder)
            return
    for line in videos.describe_unused():
        logger.info("%s: %s", folder, line)
    yield from map(str, videos.paths)
