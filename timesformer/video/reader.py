"""Decode exactly the frames that are asked for.

A video is opened once for all its views. Its packets are listed without decoding them, a pure
function chooses frames from that list, decoding starts at the keyframe before each run of chosen
frames, and only chosen frames are converted to RGB.

    images  (U, H, W, 3)  uint8 RGB, every chosen frame once
    index   (V, T)        which image is frame t of temporal view v
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np

from timesformer.video.sampling import Timeline
from timesformer.video.sources import open_binary, open_source

Select = Callable[[Timeline], np.ndarray]  # timeline -> indices into its pts, (V, T)

WORTH_A_SEEK = 4  # frames: fewer are decoded faster than the decoder restarts
REORDER = 2  # frames that may come late from files whose times are not in display order
_DECODER_ERRORS = (av.FFmpegError, OSError, ValueError, MemoryError)


class VideoError(ValueError):
    """A video that cannot be read; the message names file, reason and remedy."""


class Frames(NamedTuple):
    """The chosen frames of one video, shapes as in the module docstring."""

    images: np.ndarray
    index: np.ndarray


def read_video(path: str | Path, select: Select, *, multi_thread: bool = False) -> Frames:
    """The frames that ``select`` chooses from a video file.

    Args:
        path: the file: a local path, a URL, or a member of a tar (see ``sources``).
        select: called with the timeline; called again, with the corrected one, if the file holds
            packets from which the decoder makes no frame.
        multi_thread: let the decoder use several cores; right where no other process decodes.

    Frames are ordered by presentation time, as published; their count comes from the packets, not
    from the header.

    Raises:
        VideoError: no such file, no video stream, no decodable frame.
    """
    try:
        with (
            open_source(path) as source,
            av.open(source, metadata_errors="replace") as container,
        ):
            if not container.streams.video:
                raise VideoError(f"{path}: no video stream; remove it from the list")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO" if multi_thread else "SLICE"
            stream.codec_context.thread_count = 0 if multi_thread else 1
            return _read(container, stream, select, path)
    except _DECODER_ERRORS as error:
        if isinstance(error, VideoError):
            raise
        raise VideoError(
            f"{path}: cannot be decoded ({type(error).__name__}: {error}); "
            "re-encode it or remove it from the list"
        ) from error


def read_folder(files: Sequence[str | Path], select: Select) -> Frames:
    """The frames that ``select`` chooses from image files, one frame each, in the order given.

    Raises:
        VideoError: the list is empty, a file is missing or is no image, or sizes differ.
    """
    if not files:
        raise VideoError("a frame folder without frames; remove it from the list")
    indices = select(Timeline(np.arange(len(files)), fps=30.0))
    unique, index = np.unique(indices, return_inverse=True)
    images = [_read_image(files[i]) for i in unique]
    sizes = {image.shape for image in images}
    if len(sizes) > 1:
        raise VideoError(f"{files[0]}: the frames of one video differ in size: {sorted(sizes)}")
    return Frames(np.stack(images), index.reshape(indices.shape))


def _read_image(path: str | Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB."""
    try:
        with open_binary(path) as file:
            image = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:
        raise VideoError(f"{path}: cannot be read ({type(error).__name__}: {error})") from error
    if image is None:
        raise VideoError(f"{path}: not an image; extract the frame again")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _read(
    container: "av.container.InputContainer",
    stream: "av.VideoStream",
    select: Select,
    path: str | Path,
) -> Frames:
    timeline, keyframes = _list_packets(container, stream)
    images: dict[int, np.ndarray] = {}  # by pts
    while len(timeline.pts):
        chosen = timeline.pts[select(timeline)]
        unique, index = np.unique(chosen, return_inverse=True)
        wanted = {pts for pts in unique.tolist() if pts not in images}
        missing, arrival = _decode(container, stream, wanted, timeline.pts, keyframes, images)
        corrected = _corrected(timeline, missing, arrival)
        if corrected is timeline:
            height, width = images[int(unique[0])].shape[:2]
            stacked = [_same_size(images[pts], height, width) for pts in unique.tolist()]
            return Frames(np.stack(stacked), index.reshape(chosen.shape))
        timeline = corrected
    raise VideoError(f"{path}: no decodable frame; re-encode it or remove it from the list")


class Keyframes(NamedTuple):
    """Where decoding can start: sorted presentation times, and the decoding time of each."""

    pts: np.ndarray
    dts: np.ndarray

    def before(self, pts: int) -> int:
        """Number of the last keyframe not after ``pts``; the first one if none is."""
        return max(int(np.searchsorted(self.pts, pts, side="right")) - 1, 0)


def _list_packets(
    container: "av.container.InputContainer", stream: "av.VideoStream"
) -> tuple[Timeline, Keyframes]:
    """The timeline and the keyframes, without decoding."""
    pts, keyframes = [], {}
    for packet in container.demux(stream):
        time = packet.pts if packet.pts is not None else packet.dts
        if packet.size == 0 or time is None or packet.is_discard:
            continue
        pts.append(time)
        if packet.is_keyframe or not keyframes:
            keyframes[time] = min(time, packet.dts) if packet.dts is not None else time
    rate = stream.average_rate or stream.guessed_rate or 30
    timeline = Timeline(
        pts=np.unique(np.array(pts, dtype=np.int64)),
        fps=float(rate),
        header_frames=stream.frames or None,
        duration=stream.duration,
    )
    starts = np.array(sorted(keyframes.items()), dtype=np.int64).reshape(-1, 2)
    return timeline, Keyframes(starts[:, 0], starts[:, 1])


def _decode(
    container: "av.container.InputContainer",
    stream: "av.VideoStream",
    wanted: set[int],
    pts: np.ndarray,
    keyframes: Keyframes,
    images: dict[int, np.ndarray],
) -> tuple[set[int], list[int]]:
    """Put the frames of ``wanted`` (by pts) into ``images``.

    Returns the pts that give no frame, and the pts of all decoded frames in the decoder's order.
    """
    missing: set[int] = set()
    arrival: list[int] = []
    while wanted:
        first = keyframes.before(min(wanted))
        # Some containers seek by presentation time, some by decoding time, some have a wrong index.
        for start, time in (
            (first, keyframes.pts[first]),
            (first, keyframes.dts[first]),
            (0, None),
        ):
            before = len(wanted)
            seen = _decode_run(container, stream, start, time, wanted, pts, keyframes, images)
            missing |= _skipped(pts, keyframes.pts[start], seen)
            arrival += seen
            if len(wanted) < before:
                break
        else:
            return missing | wanted, arrival
    return missing, arrival


def _decode_run(
    container: "av.container.InputContainer",
    stream: "av.VideoStream",
    start: int,
    time: int | None,
    wanted: set[int],
    pts: np.ndarray,
    keyframes: Keyframes,
    images: dict[int, np.ndarray],
) -> list[int]:
    """Decode from keyframe ``start`` until nothing is wanted or a later one is worth a jump.

    ``time`` is where to seek; None is the beginning of the file. Returns the pts of all frames that
    the decoder made; none if the seek led past the first wanted frame.
    """
    seen: list[int] = []
    container.seek(int(keyframes.dts[0] if time is None else time), stream=stream)
    for frame in container.decode(stream):
        if frame.pts is None:
            continue
        if not seen and time is not None and frame.pts > min(wanted):
            return []
        seen.append(frame.pts)
        if frame.pts in wanted:
            images[frame.pts] = frame.to_ndarray(format="rgb24")
            wanted.discard(frame.pts)
        if not wanted:
            break
        upcoming = min(wanted)
        jump = keyframes.before(upcoming)
        if upcoming > frame.pts and jump > start:
            here, there = np.searchsorted(pts, [frame.pts, keyframes.pts[jump]])
            if there - here > WORTH_A_SEEK:
                break
    return seen


def _corrected(timeline: Timeline, missing: set[int], arrival: list[int]) -> Timeline:
    """What decoding has taught of the timeline; the same object if nothing."""
    if missing:
        timeline = timeline._replace(pts=np.setdiff1d(timeline.pts, list(missing)), arrival=None)
    if timeline.arrival is None and np.any(np.diff(arrival) < 0):
        seen = np.array(list(dict.fromkeys(arrival)), dtype=np.int64)
        later = np.setdiff1d(timeline.pts, seen)
        timeline = timeline._replace(arrival=np.concatenate([seen, later]))
    return timeline


def _skipped(pts: np.ndarray, start: int, seen: list[int]) -> set[int]:
    """Packets after ``start`` from which the decoder made no frame (placeholders of packed files).

    The latest few are left out: they may still be in the decoder.
    """
    if not seen:
        return set()
    last = int(np.searchsorted(pts, max(seen))) - REORDER
    expected = pts[np.searchsorted(pts, start) : max(last, 0)]
    return set(np.setdiff1d(expected, seen).tolist())


def _same_size(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """``image`` in the size of the first chosen frame: a stream may change size midway."""
    if image.shape[:2] == (height, width):
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
