"""Decode exactly the frames that are asked for.

A video is opened once for all its views. Its packets are listed without decoding them, a pure
function chooses frames from that list, decoding starts at the keyframe before each run of chosen
frames, packets that nothing refers to (H.264) are left out, and only chosen frames become RGB.

    images  (U, H, W, 3)  uint8 RGB, every chosen frame once
    index   (V, T)        which image is frame t of temporal view v
"""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from timesformer.errors import InputError
from timesformer.opening import SourceError, open_media
from timesformer.terminal import printable
from timesformer.video.packets import list_packets
from timesformer.video.remarks import Remark
from timesformer.video.sampling import Timeline
from timesformer.video.sources import open_source

Select = Callable[[Timeline], np.ndarray]  # timeline -> indices into its pts, (V, T)

WORTH_A_SEEK = 4  # frames: fewer are decoded faster than the decoder restarts
REORDER = 2  # frames that may come late from files whose times are not in display order
_DECODER_ERRORS = (av.FFmpegError, OSError, ValueError, MemoryError)


class VideoError(InputError, ValueError):
    """A video that cannot be read; the message names file, reason and remedy."""


class Frames(NamedTuple):
    """The chosen frames of one video, shapes as in the module docstring."""

    images: np.ndarray
    index: np.ndarray
    decoded: int = 0  # frames that the decoder made for them
    timeline: Timeline | None = None  # of the whole video
    remarks: tuple[Remark, ...] = ()  # what is unusual about the video
    fallback: str = ""  # why another decoder than the configured device read it


def read_video(
    path: str | Path, select: Select, *, multi_thread: bool = False, time_limit: float = math.inf
) -> Frames:
    """The frames that ``select`` chooses from a video file.

    Args:
        path: the file: a local path, a URL, or a member of a tar (see ``sources``).
        select: called with the timeline; called again, with the corrected one, if the file holds
            packets from which the decoder makes no frame.
        multi_thread: let the decoder use several cores; right where no other process decodes.
        time_limit: seconds after which a slow file is given up.

    Frames are ordered by presentation time, as published; their count comes from the packets, not
    from the header. Rotation metadata is ignored, as published.

    Raises:
        VideoError: no such file, no video stream, no decodable frame, or too slow.
    """
    # torchvision, where it still decodes video, turns PyAV's log on as it is imported. A decoder thread
    # that has something to log waits for the interpreter then, whose thread waits for the decoder.
    av.logging.set_level(None)
    name = printable(path)
    try:
        with (
            open_source(path) as source,
            open_media(source, name=path) as container,
        ):
            if not container.streams.video:
                raise VideoError(f"{name}: no video stream; remove it from the list")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise VideoError(f"{name}: no decoder knows its codec; re-encode it")
            stream.thread_type = "AUTO" if multi_thread else "SLICE"
            stream.codec_context.thread_count = 0 if multi_thread else 1
            return _Video(container, stream, name, time_limit).read(select)
    except _DECODER_ERRORS as error:
        if isinstance(error, VideoError):
            raise
        if isinstance(error, SourceError):
            said = str(error)
            raise VideoError(said if name in said else f"{name}: {said}") from error
        raise VideoError(
            f"{name}: cannot be decoded ({type(error).__name__}: {error}); "
            "re-encode it or remove it from the list"
        ) from error


class _Video:
    """One open video: its packets, and the frames decoded so far."""

    def __init__(
        self,
        container: "av.container.InputContainer",
        stream: "av.VideoStream",
        path: str,
        time_limit: float,
    ) -> None:
        self.container = container
        self.stream = stream
        self.path = path
        self.time_limit = time_limit
        self.deadline = time.monotonic() + time_limit
        self.packets = list_packets(container, stream)
        # One converter for all frames: making one takes longer than converting a frame.
        self.reformatter = VideoReformatter()
        self.images: dict[int, np.ndarray] = {}  # by pts
        self.decoded = 0

    def read(self, select: Select) -> Frames:
        """The chosen frames; the timeline is corrected until decoding agrees with it."""
        timeline = self.packets.timeline
        while len(timeline.pts):
            chosen = timeline.pts[np.asarray(select(timeline))]
            unique, index = np.unique(chosen, return_inverse=True)
            wanted = {pts for pts in unique.tolist() if pts not in self.images}
            missing, arrival = self._decode(wanted, timeline.pts)
            corrected = _corrected(timeline, missing, arrival)
            if corrected is timeline:
                images = self._stack(unique.tolist())
                return Frames(images, index.reshape(chosen.shape), self.decoded, timeline)
            timeline = corrected
        raise VideoError(
            f"{self.path}: no decodable frame; re-encode it or remove it from the list"
        )

    def _stack(self, chosen: list[int]) -> np.ndarray:
        """The images of sorted pts as one array, without holding both."""
        stacked = np.empty((len(chosen), *self.images[chosen[0]].shape), np.uint8)
        for i, pts in enumerate(chosen):
            stacked[i] = _same_size(self.images.pop(pts), *stacked.shape[1:3])
        return stacked

    def _decode(self, wanted: set[int], pts: np.ndarray) -> tuple[set[int], list[int]]:
        """Put the frames of ``wanted`` (by pts) into ``images``.

        Returns the pts that give no frame, and the pts of all decoded frames in the decoder's order.
        """
        missing: set[int] = set()
        arrival: list[int] = []
        while wanted:
            first = self.packets.keyframe_before(min(wanted))
            # Some containers seek by presentation time, some by decoding time, some have a wrong
            # index; packets that were kept need no seek.
            for start, seek in self._starts(first):
                before = len(wanted)
                dropped = self.packets.disposable - wanted
                seen = self._decode_run(start, seek, wanted, dropped, pts, jumps=start == first)
                self.decoded += len(seen)
                missing |= _skipped(pts, self.packets.keyframes[start].pts, seen) - dropped
                arrival += seen
                if len(wanted) < before:
                    break
            else:
                return missing | wanted, arrival
        return missing, arrival

    def _starts(self, first: int) -> list[tuple[int, int | None]]:
        keyframe = self.packets.keyframes[first]
        if self.packets.kept is not None:
            return [(first, None), (0, None)]
        return [(first, keyframe.pts), (first, keyframe.dts), (0, None)]

    def _decode_run(
        self,
        start: int,
        seek: int | None,
        wanted: set[int],
        dropped: set[int],
        pts: np.ndarray,
        *,
        jumps: bool,
    ) -> list[int]:
        """Decode from keyframe ``start`` until nothing is wanted or a later one is worth a jump.

        ``seek`` is the time to seek to; None the keyframe's place among the kept packets, or the
        beginning of the file. Without ``jumps`` every frame up to the last wanted one is decoded: the
        keyframe that a jump would lead to has just given nothing. Returns the pts of all frames that
        the decoder made; none if the seek led past the first wanted frame.
        """
        seen: list[int] = []
        upcoming = min(wanted)
        jump = self._jump(start, upcoming, pts)
        for packet in self._packets_from(start, seek):
            if packet.pts in dropped:
                continue
            for frame in packet.decode():
                if frame.pts is None:
                    continue
                if not seen and seek is not None and frame.pts > upcoming:
                    return []
                seen.append(frame.pts)
                if frame.pts in wanted:
                    self.images[frame.pts] = self._to_rgb(frame)
                    wanted.discard(frame.pts)
                    if not wanted:
                        return seen
                    upcoming = min(wanted)
                    jump = self._jump(start, upcoming, pts)
                if jumps and frame.pts < min(upcoming, jump):
                    return seen
            if time.monotonic() > self.deadline:
                raise VideoError(f"{self.path}: not decoded within {self.time_limit:g} seconds")
        return seen

    def _to_rgb(self, frame: "av.VideoFrame") -> np.ndarray:
        threads = self.stream.codec_context.thread_count
        return self.reformatter.reformat(frame, format="rgb24", threads=threads).to_ndarray()

    def _jump(self, start: int, upcoming: int, pts: np.ndarray) -> int:
        """Frames before this pts are better skipped by a seek to the keyframe of ``upcoming``."""
        number = self.packets.keyframe_before(upcoming)
        keyframes = self.packets.keyframes
        if number <= start or not self.packets.are_certain(
            keyframes[start].pts, keyframes[number].pts
        ):
            return int(pts[0])
        at = int(np.searchsorted(pts, keyframes[number].pts))
        return int(pts[max(at - WORTH_A_SEEK, 0)])

    def _packets_from(self, start: int, seek: int | None) -> "Iterator[av.Packet]":
        """Packets in decoding order, and the empty one that empties the decoder."""
        if self.packets.kept is not None:
            self.stream.codec_context.flush_buffers()
            yield from self.packets.kept[self.packets.keyframes[start].position :]
            return
        first = self.packets.keyframes[0]
        self.container.seek(first.dts if seek is None else seek, stream=self.stream)
        yield from self.container.demux(self.stream)


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
