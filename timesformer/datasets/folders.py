"""What lies in a folder: the frames of a video in their order, the videos of a data set by name."""

import os
import re
from collections import defaultdict
from pathlib import Path

from timesformer.video import VideoError

VIDEO_SUFFIXES = frozenset(
    (".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".gif")
)
IMAGE_SUFFIXES = frozenset([".jpg", ".jpeg", ".png", ".bmp", ".webp"])
FLOW = "flow_"  # optical flow beside the frames, as OpenMMLab extracts it

_NUMBER = re.compile(r"(\d+)")


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key by which frame_2.jpg comes before frame_10.jpg."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _NUMBER.split(name)]


def frame_files(folder: str | Path) -> list[str]:
    """The images of a frame folder in natural order of their names, without flow images.

    Raises:
        VideoError: there are none.
    """
    names = [name for name in os.listdir(folder) if _is_frame(name)]
    if not names:
        raise VideoError(
            f"{folder}: a folder without frames; extract them ({', '.join(sorted(IMAGE_SUFFIXES))}), "
            "or remove it from the list"
        )
    return [os.path.join(folder, name) for name in sorted(names, key=natural_key)]


class VideoFolder:
    """The video files and frame folders below ``root``, found by name whatever their suffix.

    A folder that holds images and no video files is one video; its name is the video's. Symbolic
    links to folders are followed at ``root`` only.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.paths: list[Path] = []
        for folder, folders, files in os.walk(self.root):
            folders.sort(key=natural_key)
            here = Path(folder)
            videos = [name for name in sorted(files, key=natural_key) if _is_video(name)]
            if here != self.root and any(map(_is_frame, files)) and not videos:
                self.paths.append(here)
            self.paths += [here / name for name in videos]
        self._exact = frozenset(self.paths)
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for path in self.paths:
            self._by_name[_bare(path.name)].append(path)

    def find(self, name: str, *, parents: tuple[str, ...] = ()) -> Path | None:
        """The video called ``name`` (with or without suffix), best in a folder of ``parents``.

        ``name`` may hold folders: ``Archery/v_Archery_g01_c01.avi`` is that file, else the video of
        that name anywhere below the root. None if there is no such video.
        """
        if self.root / name in self._exact:
            return self.root / name
        *folders, last = name.replace("\\", "/").split("/")
        found = self._by_name.get(_bare(last)) or self._by_name.get(last, [])
        wanted = (*folders[-1:], *parents)
        beside = [path for path in found if path.parent.name in wanted]
        same = [path for path in beside or found if path.name == last]
        return next(iter(same or beside or found), None)


def _bare(name: str) -> str:
    """``name`` without a suffix of video files."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in VIDEO_SUFFIXES else name


def _is_frame(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and not name.startswith(FLOW)


def _is_video(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES and not name.startswith(".")
