"""What lies in a folder: the frames of a video in their order, the videos of a data set by name."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from timesformer.io.terminal import printable
from timesformer.video import VideoError

# Of the containers and elementary streams that PyAV's FFmpeg reads, under any name.
_MPEG_4 = "mp4 m4v mov qt 3gp 3g2 mj2 psp ismv f4v flv mkv mk3d webm"
_AVI = "avi divx xvid wmv asf dvr-ms wtv rm rmvb ivr ogv ogg ogm"
_MPEG = "mpg mpeg mpe mpv mpv2 m1v m2v mp2v m2p vob vro mod tod ts tp trp m2t mts m2ts"
_OTHER = "mxf gxf dv dif nut ivf y4m amv nsv viv roq swf drc dav kux ty gif apng"
_RAW = "h261 h263 h264 264 avc h26l h265 265 hevc h266 266 vvc vc1 rcv obu cavs avs2 avs3 vc2"
_FRAMES = "dnxhd dnxhr mjpeg mjpg evc apv"
VIDEO_SUFFIXES = frozenset(
    f".{name}" for names in (_MPEG_4, _AVI, _MPEG, _OTHER, _RAW, _FRAMES) for name in names.split()
)
IMAGE_SUFFIXES = frozenset([".jpg", ".jpeg", ".png", ".bmp", ".webp"])
FLOW = "flow_"  # optical flow beside the frames, as OpenMMLab extracts it
SHOWN = 12  # kinds of unused files that a report names
DESKTOP = frozenset(["thumbs.db", "desktop.ini", ".ds_store"])

_NUMBER = re.compile(r"(\d+)")


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key by which frame_2.jpg comes before frame_10.jpg."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _NUMBER.split(name)]


def frame_files(folder: str | Path) -> list[str]:
    """The images of a frame folder in natural order of their names, without flow and hidden images.

    Raises:
        VideoError: there are none.
    """
    names = [name for name in os.listdir(folder) if _is_frame(name)]
    if not names:
        raise VideoError(
            f"{folder}: a folder without frames; extract them ({', '.join(sorted(IMAGE_SUFFIXES))}), "
            "or remove it from the list"
        )
    return [os.path.join(folder, name) for name in sorted(names, key=_order)]


def is_image(name: str | Path) -> bool:
    """Whether ``name`` ends as images do."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


class Unused(NamedTuple):
    """Files of one kind that are not part of any video."""

    what: str  # their suffix, or what they are called
    reason: str


class VideoFolder:
    """The video files and frame folders below ``root``, found by name with any suffix.

    A folder that holds images and no video files is one video; its name is the video's. Linked
    folders are followed, but none into itself. ``unused`` counts what is part of no video.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.paths: list[Path] = []
        self.unused: dict[Unused, list[Path]] = defaultdict(list)
        self._nested: list[Path] = []  # frame folders with folders in them
        for folder in self._walk():
            self._take(folder)
        self._drop_covers()
        self._exact = frozenset(self.paths)
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for path in self.paths:
            self._by_name[_bare(path.name)].append(path)

    def find(self, name: str, *, parents: tuple[str, ...] = ()) -> Path | None:
        """The video called ``name`` (with or without suffix), best in a folder of ``parents``.

        ``name`` may hold folders: ``Archery/v_Archery_g01_c01.avi`` is that file, else the video of
        that name anywhere below the root. None if there is no such video.
        """
        return next(iter(self.matches(name, parents=parents)), None)

    def matches(self, name: str, *, parents: tuple[str, ...] = ()) -> list[Path]:
        """All videos that ``find`` could take as well for this name."""
        if self.root / name in self._exact:
            return [self.root / name]
        *folders, last = name.replace("\\", "/").split("/")
        found = self._by_name.get(_bare(last)) or self._by_name.get(last, [])
        wanted = (*folders[-1:], *parents)
        beside = [path for path in found if path.parent.name in wanted]
        same = [path for path in beside or found if path.name == last]
        return same or beside or found

    def describe_unused(self) -> list[str]:
        """A line for each kind of files that are not used: how many, which, why, the first."""
        kinds = sorted(self.unused.items(), key=lambda item: (-len(item[1]), item[0]))
        lines = [
            f"not used: {len(paths)} {what}: {reason}; the first: "
            + printable(paths[0].relative_to(self.root))
            for (what, reason), paths in kinds[:SHOWN]
        ]
        if rest := sum(len(paths) for _, paths in kinds[SHOWN:]):
            lines.append(f"not used: {rest} files of {len(kinds) - SHOWN} other kinds")
        return lines

    def _walk(self) -> "Iterator[_Folder]":
        """The folders below the root, each before those in it, in natural order."""
        waiting = [(self.root, frozenset[tuple[int, int]]())]
        while waiting:
            path, above = waiting.pop()
            try:
                status = path.stat()
                folder = _Folder(path)
            except OSError as error:
                self._leave(path, "folder(s)", f"cannot be read ({error.strerror})")
                continue
            here = (status.st_dev, status.st_ino)
            if here in above:
                self._leave(path, "link(s)", "lead to a folder above them")
                continue
            yield folder
            waiting += [(path / name, above | {here}) for name in reversed(folder.folders)]

    def _take(self, folder: "_Folder") -> None:
        """Videos of one folder, or the folder as a video of frames; the rest is unused."""
        path, images = folder.path, folder.images
        if images and not folder.videos and path != self.root:
            self.paths.append(path)
            if folder.folders:
                self._nested.append(path)
            images = []
        self.paths += [path / name for name in folder.videos]
        for name, what in folder.left_out.items():
            self.unused[what].append(path / name)
        for name in images:
            where = "beside videos" if folder.videos else "outside a frame folder"
            self._leave(path / name, _suffix(name), f"images {where}")
        if not (folder.images or folder.videos or folder.folders):
            self._leave(path, "folder(s)", "without a video")

    def _drop_covers(self) -> None:
        """One image above folders of videos is a cover, and not a video of one frame."""
        above = {parent for path in self.paths for parent in path.parents} if self._nested else ()
        for path in self._nested:
            frames = frame_files(path)
            if path in above and len(frames) == 1:
                self.paths.remove(path)
                self._leave(Path(frames[0]), _suffix(frames[0]), "images outside a frame folder")

    def _leave(self, path: Path, what: str, reason: str) -> None:
        self.unused[Unused(what, reason)].append(path)


class _Folder:
    """One folder in natural order: its folders, videos and images, and why the rest is neither."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folders: list[str] = []
        self.videos: list[str] = []
        self.images: list[str] = []
        self.left_out: dict[str, Unused] = {}
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda entry: _order(entry.name)):
                if reason := _reason(entry):
                    self.left_out[entry.name] = reason
                elif entry.is_dir():
                    self.folders.append(entry.name)
                elif _is_video(entry.name):
                    self.videos.append(entry.name)
                else:
                    self.images.append(entry.name)


def _reason(entry: "os.DirEntry[str]") -> Unused | None:
    """Why a file or folder is not a part of a video; None if it may be one."""
    name = entry.name
    if name.lower() in DESKTOP:
        return Unused(name, "written by the desktop")
    if name.startswith("._"):
        return Unused("._*", "AppleDouble files of macOS")
    if name.startswith("."):
        return Unused("hidden", "names that begin with a dot")
    if entry.is_symlink() and not os.path.exists(entry.path):
        return Unused("link(s)", "lead to nothing")
    if entry.is_dir() or _is_video(name) or _is_frame(name):
        return None
    return Unused(_suffix(name), "flow images" if is_image(name) else "not a video")


def _order(name: str) -> tuple[list[tuple[int, str]], str]:
    """Natural order, in which a1 and a01 do not depend on the file system."""
    return natural_key(name), name


def _suffix(name: str) -> str:
    return printable(os.path.splitext(name)[1].lower()) or "without a suffix"


def _bare(name: str) -> str:
    """``name`` without a suffix of video files."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in VIDEO_SUFFIXES else name


def _is_frame(name: str) -> bool:
    return is_image(name) and not name.startswith((FLOW, "."))


def _is_video(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES and not name.startswith(".")
