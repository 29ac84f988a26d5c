"""The wanted frames of a video one after the other, forward, each decoded once and none of them held.

For videos of any length: ``read_video`` holds all frames that it is asked for.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from timesformer.io.terminal import printable
from timesformer.video import streams
from timesformer.video.by_list import ListedDecoder, settled
from timesformer.video.decoding import Decoder, IrregularError, Release, Seeker, at_once
from timesformer.video.images import FOLDER_FPS, even_timeline, read_image
from timesformer.video.open_video import VideoError, decode_whole, open_video, readable
from timesformer.video.packets import list_packets
from timesformer.video.remarks import Remark
from timesformer.video.timeline import Indices, Timeline

LARGE = 1 << 20  # pixels of a frame that several threads convert faster than one
KEPT_BYTES = 1 << 20  # packets of larger videos are read again: hours of them are not held


class Visitor(Protocol):
    """Takes frames in order."""

    def begin(self, timeline: Timeline, errors: Sequence[str] = ()) -> Indices:
        """The places that are wanted, sorted; ``errors`` say why packets could not be decoded.

        Called again, and everything repeated, if the decoder gives other frames than the packets promise.
        """

    def take(self, place: int, image: np.ndarray) -> None:
        """A wanted frame, (H, W, 3) uint8 RGB."""


class Visited(NamedTuple):
    """What a visit was like."""

    timeline: Timeline
    decoded: int  # frames
    errors: list[str]  # why packets could not be decoded
    remarks: tuple[Remark, ...]


def visit_frames(
    path: str | Path,
    visitor: Visitor,
    *,
    multi_thread: bool = False,
    apply_rotation: bool = False,
    release: Release = at_once,
) -> Visited:
    """Show ``visitor`` the frames that it wants.

    Frames, places and times are those of ``read_video``.

    Args:
        path: as of ``read_video``.
        visitor: what it raises ends the visit.
        multi_thread: let the decoder use several cores.
        apply_rotation: turn the frames as a player would.
        release: called before each packet is decoded; a file is paced by it.

    Raises:
        VideoError: no such file, no video stream, or no decodable frame.
    """
    av.logging.set_level(None)  # see ``read_video``
    with readable(path):
        return _Visit(path, visitor, multi_thread, apply_rotation, release).run()


class _Visit:
    def __init__(
        self,
        path: str | Path,
        visitor: Visitor,
        multi_thread: bool,
        apply_rotation: bool,
        release: Release,
    ) -> None:
        self.path, self.visitor, self.release = path, visitor, release
        self.multi_thread, self.apply_rotation = multi_thread, apply_rotation
        self.reformatter = VideoReformatter()
        self.decoded = 0
        self.matrix: np.ndarray | None = None
        self.transfer = 0

    def run(self) -> Visited:
        with open_video(self.path, multi_thread=self.multi_thread) as (container, stream):
            header = streams.read_header(container, stream)
            packets = list_packets(container, stream, header, keep_bytes=KEPT_BYTES)
            if not packets.irregular:
                with contextlib.suppress(IrregularError):
                    seeker = Seeker(container, stream, packets, self.release)
                    packets, self.decoded = settled(packets, seeker)
                    if not len(packets.timeline.pts):
                        raise IrregularError("no frames are listed")
                    places = self.visitor.begin(packets.timeline).tolist()
                    decoder = ListedDecoder(packets, seeker, places, self._take)
                    decoder.decode()
                    self.decoded += decoder.decoded
                    return self._visited(packets.timeline, [])
        return self._whole(packets.timeline.promised or 0)

    def _whole(self, promised: int) -> Visited:
        """Decode twice: for the times, then for the pictures."""
        timeline, errors = decode_whole(
            self.path,
            lambda _, __: None,
            multi_thread=self.multi_thread,
            promised=promised,
        )
        if errors and self.multi_thread:  # of several threads it is not known which frame is lost
            self.multi_thread = False
            return self._whole(promised)
        self.decoded += len(timeline.pts)
        if not len(timeline.pts):
            because = f" ({errors[0]})" if errors else ""
            raise VideoError(
                f"{printable(self.path)}: no decodable frame{because}; re-encode it or remove it"
            )
        wanted = set(self.visitor.begin(timeline, errors).tolist())
        last = max(wanted, default=-1)
        with open_video(self.path, multi_thread=self.multi_thread) as (container, stream):
            decoder = Decoder(container, stream, self.release)
            for place, frame in enumerate(decoder.frames()):
                if place > last:
                    break
                self.decoded += 1
                if place in wanted:
                    self._take(place, frame)
        return self._visited(timeline, errors)

    def _take(self, place: int, frame: "av.VideoFrame") -> None:
        self.matrix, self.transfer = streams.display_matrix(frame), int(frame.color_trc)
        is_large = frame.width * frame.height >= LARGE
        threads = 0 if self.multi_thread and is_large else 1
        image = self.reformatter.reformat(frame, format="rgb24", threads=threads).to_ndarray()
        if self.apply_rotation and self.matrix is not None:
            image = streams.turn(image[None], self.matrix)[0]
        self.visitor.take(place, image)

    def _visited(self, timeline: Timeline, errors: list[str]) -> Visited:
        found = streams.remarks(
            timeline,
            transfer=self.transfer,
            matrix=None if self.apply_rotation else self.matrix,
            errors=len(errors),
            reason=next(iter(errors), ""),
        )
        return Visited(timeline, self.decoded, errors, found)


def visit_images(files: Sequence[str], visitor: Visitor, *, release: Release = at_once) -> Visited:
    """``visit_frames`` of a folder of frames, in the order of ``files``; ``release`` gets no packet."""
    timeline = even_timeline(len(files), FOLDER_FPS)
    wanted = visitor.begin(timeline).tolist()
    for place in wanted:
        release(None)
        visitor.take(place, read_image(files[place]))
    return Visited(timeline, len(wanted), [], ())
