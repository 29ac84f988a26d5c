"""The optical flow of a whole video as a file, of which any field is read by itself.

It is an ``.npz`` of NumPy: ``numpy.load(file)["000012"]`` is field 12 (see ``flow``), the motion from
frame 12 to frame 13, as (2, H, W) uint8, x and then y. ``pts`` holds the times of the frames. The last
member, ``meta.json``, holds the rest of the timeline, the settings, and the name and size of the video.

Its name is the digest of the video: a folder of videos may move, and a changed video has no flow.
"""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from timesformer.io.npz import NPZ_ERRORS
from timesformer.video.flow import FlowError, FlowSettings
from timesformer.video.frames import Frames, FrameSelector, choose_frames
from timesformer.video.open_video import VideoError
from timesformer.video.remarks import Remark
from timesformer.video.sources import open_binary, size_of
from timesformer.video.timeline import Timeline

FORMAT = 1  # raise it when files of before cannot be read any more
META = "meta.json"
PTS = "pts"
DIGITS = 24  # of a digest, 96 bits
WHOLE_BYTES = 3 << 20  # of a file that counts as a whole in its digest
SAMPLE_BYTES = 1 << 20  # of a larger one: at its beginning, in its middle and at its end
SAMPLED_IMAGES = 3  # of a folder of frames: the first, the middle and the last one
HEADER_BYTES = 1 << 10  # of an array in a file, at most


class FlowFileError(FlowError, VideoError):
    """A file of flow that is damaged, or of other settings: its video cannot be read."""


class UnreadableError(VideoError):
    """What was wrong with a video when its flow was to be computed."""


class FlowMeta(NamedTuple):
    """What a file says of itself."""

    settings: FlowSettings
    timeline: Timeline
    field_size: tuple[int, int]  # height, width
    frame_size: tuple[int, int]  # of the video
    name: str  # of the video, when it was read
    mean: tuple[float, ...]  # motion of all fields, pixels of ``field_size``: x, y
    remarks: tuple[Remark, ...] = ()

    @property
    def num_fields(self) -> int:
        """One less than frames."""
        return max(len(self.timeline.pts) - 1, 0)


def digest(files: Sequence[str]) -> str:
    """The identity of a video by its bytes: of one file, or of the images of its frames.

    Raises:
        OSError: a file is missing or cannot be read.
    """
    found = hashlib.sha256()
    if len(files) == 1:
        _add(found, files[0])
        return found.hexdigest()[:DIGITS]
    for file in files:
        found.update(
            f"{os.path.basename(file)}\0{size_of(file)}\n".encode("utf-8", "surrogateescape")
        )
    for place in np.linspace(0, len(files) - 1, SAMPLED_IMAGES).astype(int).tolist():
        _add(found, files[place])
    return found.hexdigest()[:DIGITS]


def _add(found: "hashlib._Hash", file: str) -> None:
    """The size and the bytes of ``file``, or samples of them."""
    with open_binary(file) as opened:
        size = opened.seek(0, os.SEEK_END)
        found.update(f"{size}\n".encode())
        last = size - SAMPLE_BYTES
        starts = (0,) if size <= WHOLE_BYTES else (0, last // 2, last)
        for start in starts:
            opened.seek(start)
            found.update(opened.read(WHOLE_BYTES if size <= WHOLE_BYTES else SAMPLE_BYTES))


def flow_path(cache: str | Path, name: str) -> Path:
    """Where the flow of the video with the digest ``name`` lies in a cache."""
    return Path(cache) / name[:2] / f"{name}.npz"


class FlowWriter:
    """Writes the fields of one video into an open binary file, one after the other."""

    def __init__(self, file: Any) -> None:
        self.archive = zipfile.ZipFile(file, "w")
        self.count = 0

    def add(self, field: np.ndarray) -> None:
        """The next field, (H, W, 2)."""
        self._put(_member(self.count), field.transpose(2, 0, 1))
        self.count += 1

    def finish(self, meta: FlowMeta) -> None:
        """Write the rest; ``meta`` is of the fields that were added."""
        self._put(PTS, meta.timeline.pts)
        timeline = meta.timeline._asdict()
        del timeline["pts"]
        told = {
            "format": FORMAT,
            "settings": meta.settings._asdict(),
            "timeline": timeline,
            "field_size": meta.field_size,
            "frame_size": meta.frame_size,
            "name": meta.name,
            "mean": meta.mean,
            "remarks": [remark._asdict() for remark in meta.remarks],
        }
        _write(self.archive, META, json.dumps(told, default=_plain).encode())
        self.archive.close()

    def _put(self, name: str, array: np.ndarray) -> None:
        data = io.BytesIO()
        np.lib.format.write_array(data, np.ascontiguousarray(array), allow_pickle=False)
        _write(self.archive, f"{name}.npy", data.getvalue())


def _write(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """A compressed member without the time of day: the same flow is the same bytes."""
    archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)


def write_failure(file: Any, settings: FlowSettings, *, name: str, error: str) -> None:
    """Write a file of flow that says why the video ``name`` cannot be read."""
    told = {"format": FORMAT, "settings": settings._asdict(), "name": name, "error": error}
    with zipfile.ZipFile(file, "w") as archive:
        _write(archive, META, json.dumps(told).encode())


def read_meta(path: Path, *, settings: FlowSettings | None = None) -> FlowMeta:
    """What a file of flow says of itself.

    Raises:
        FileNotFoundError: there is none.
        FlowFileError: it is damaged, or its settings are not ``settings``.
        UnreadableError: the video could not be read.
    """
    with _opened(path) as archive:
        return _meta(path, archive, settings)


def read_fields(path: Path, select: FrameSelector, *, settings: FlowSettings) -> Frames:
    """The fields that ``select`` chooses: ``images`` (U, H, W, 2), ``indices`` of fields.

    Raises:
        FileNotFoundError: there is none.
        FlowFileError: it is damaged, or its settings are not ``settings``.
        UnreadableError: the video could not be read.
    """
    with _opened(path) as archive:
        meta = _meta(path, archive, settings)
        chosen = choose_frames(meta.timeline, select)
        fields = np.empty((len(chosen.unique), *meta.field_size, 2), np.uint8)
        for field, number in zip(fields, chosen.unique.tolist(), strict=True):
            planes = _array(path, archive, _member(number), (2, *meta.field_size))
            field[...] = planes.transpose(1, 2, 0)
        return chosen.frames(fields, remarks=meta.remarks)


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except NPZ_ERRORS as error:
        raise _damaged(path, error) from error


def _meta(path: Path, archive: zipfile.ZipFile, settings: FlowSettings | None) -> FlowMeta:
    try:
        told = json.loads(archive.read(META))
        if told["format"] != FORMAT:
            raise ValueError(f"its format is {told['format']}, and this version reads {FORMAT}")
        if "error" in told:
            raise UnreadableError(str(told["error"]))
        found = FlowSettings(**told["settings"])
        pts = _array(path, archive, PTS, None)
        meta = FlowMeta(
            found,
            Timeline(pts, **told["timeline"]),
            _size(told["field_size"]),
            _size(told["frame_size"]),
            str(told["name"]),
            tuple(map(float, told["mean"])),
            tuple(Remark(**remark) for remark in told["remarks"]),
        )
    except UnreadableError:
        raise
    except (OSError, *NPZ_ERRORS) as error:
        raise _damaged(path, error) from error
    if settings is not None and found != settings:
        raise FlowFileError(f"{path} holds flow of {differences(found, settings)}")
    return meta


def differences(found: FlowSettings, wanted: FlowSettings) -> str:
    """Which settings differ, in words."""
    rows = zip(FlowSettings._fields, found, wanted, strict=True)
    return ", ".join(f"{name} {old}, not {new}" for name, old, new in rows if old != new)


def _array(
    path: Path, archive: zipfile.ZipFile, name: str, shape: tuple[int, ...] | None
) -> np.ndarray:
    """An array of the file; one that would not be of ``shape`` is not read."""
    member = f"{name}.npy"
    try:
        if shape and archive.getinfo(member).file_size > np.prod(shape) + HEADER_BYTES:
            raise ValueError(f"{member} is larger than a field of {shape}")
        array = np.lib.format.read_array(io.BytesIO(archive.read(member)), allow_pickle=False)
    except (OSError, *NPZ_ERRORS) as error:
        raise _damaged(path, error) from error
    if shape and (array.shape != shape or array.dtype != np.uint8):
        raise _damaged(path, ValueError(f"{member} is {array.dtype} {array.shape}, not {shape}"))
    found: np.ndarray = array
    return found


def _member(number: int) -> str:
    return f"{number:06d}"


def _size(pair: Any) -> tuple[int, int]:
    height, width = pair
    return int(height), int(width)


def _plain(value: Any) -> Any:
    """Numbers of NumPy as those of Python."""
    return value.item()


def _damaged(path: Path, error: BaseException) -> FlowFileError:
    if isinstance(error, FlowFileError):
        return error
    return FlowFileError(f"{path} is damaged ({error}); delete it and extract the flow again")
