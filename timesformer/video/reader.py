"""Decode exactly the frames that are asked for.

A frame is its place in the decoder's output. Most containers tell all places and times without
decoding (``packets``): then decoding starts at the keyframe before each run of chosen frames, packets
that nothing refers to (H.264) are left out, and every frame that comes is compared with the list. If
the list is not what the decoder gives, or the container cannot tell, the whole video is decoded in
order. Only chosen frames become RGB.
"""

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from timesformer.io.terminal import printable
from timesformer.video import streams
from timesformer.video.by_list import ListedDecoder, settled
from timesformer.video.decoding import Decoder, IrregularError, Seeker, frame_bytes
from timesformer.video.frames import Frames, FrameSelector, choose_frames, require_memory, stack
from timesformer.video.open_video import VideoError, decode_whole, open_video, readable
from timesformer.video.packets import Packets, list_packets

HELD_BYTES = 256 * 1024 * 1024  # decoded frames of a video that is decoded whole; more: twice


def read_video(
    path: str | Path,
    select: FrameSelector,
    *,
    multi_thread: bool = False,
    time_limit: float = math.inf,
    apply_rotation: bool = False,
) -> Frames:
    """The frames that ``select`` chooses from a video file.

    Args:
        path: the file: a local path, a URL, or a member of a tar (see ``sources``).
        select: called with the timeline; once more, with the right one, only if the decoder gives other
            frames than the packets promise. ``Frames.indices`` is what it returned last.
        multi_thread: let the decoder use several cores; right where no other process decodes.
        time_limit: seconds after which a slow file is given up.
        apply_rotation: turn the frames as a player would; by default they are used as stored, as
            published, and a remark says so.

    Packets that cannot be decoded give no frame, and a remark.

    Raises:
        VideoError: no such file, no video stream, no decodable frame, or too slow.
    """
    # torchvision, where it still decodes video, turns PyAV's log on as it is imported. A decoder thread
    # that has something to log waits for the interpreter then, whose thread waits for the decoder.
    av.logging.set_level(None)
    video = _Video(path, select, multi_thread, time_limit)
    with readable(path):
        frames, frame, errors = video.read()
        matrix = streams.display_matrix(frame)
        if apply_rotation and matrix is not None:
            turned = streams.turn(frames.images, matrix)
            frames, matrix = replace(frames, images=turned), None
        found = streams.remarks(
            frames.timeline,
            transfer=int(frame.color_trc),
            matrix=matrix,
            errors=len(errors),
            reason=next(iter(errors), ""),
        )
        return replace(frames, remarks=found)


class _Video:
    """One video that is being read."""

    def __init__(
        self, path: str | Path, select: FrameSelector, multi_thread: bool, time_limit: float
    ) -> None:
        self.path = path
        self.select = select
        self.multi_thread = multi_thread
        self.time_limit = time_limit
        self.deadline = time.monotonic() + time_limit
        # One converter for all frames: making one takes longer than converting a frame.
        self.reformatter = VideoReformatter()
        self.decoded = 0

    def read(self) -> tuple[Frames, "av.VideoFrame", list[str]]:
        """The chosen frames, one decoded frame, and why packets could not be decoded."""
        with open_video(self.path, multi_thread=self.multi_thread) as (container, stream):
            packets = list_packets(container, stream, streams.read_header(container, stream))
            self.check_time()
            if not packets.irregular:
                with contextlib.suppress(IrregularError):
                    return self._read_by_list(packets, Seeker(container, stream, packets))
        return self._read_whole(packets.timeline.promised or 0)

    def check_time(self) -> None:
        """Raise VideoError if the time is over."""
        if time.monotonic() > self.deadline:
            raise VideoError(
                f"{printable(self.path)}: not decoded within {self.time_limit:g} seconds"
            )

    def _read_by_list(
        self, packets: Packets, seeker: Seeker
    ) -> tuple[Frames, "av.VideoFrame", list[str]]:
        """Decode runs of chosen frames; IrregularError if the decoder gives others."""
        packets, self.decoded = settled(packets, seeker, self.check_time)
        timeline = packets.timeline
        if not len(timeline.pts):
            raise IrregularError("no frames are listed")
        chosen = choose_frames(timeline, self.select)
        places = chosen.unique.tolist()
        context = seeker.stream.codec_context
        require_memory(len(places), context.width, context.height)
        images: dict[int, np.ndarray] = {}

        def keep(place: int, frame: "av.VideoFrame") -> None:
            images[place] = self.to_rgb(frame)

        decoder = ListedDecoder(packets, seeker, places, keep, self.check_time)
        decoder.decode()
        stacked = stack(len(places), (images.pop(place) for place in places))
        self.decoded += decoder.decoded
        assert decoder.sample is not None
        return chosen.frames(stacked, decoded=self.decoded), decoder.sample, []

    def _read_whole(self, promised: int) -> tuple[Frames, "av.VideoFrame", list[str]]:
        """Decode every frame in order; a second time if too many were to be held."""
        held: list[av.VideoFrame] = []
        size, sample = 0, None

        def hold(place: int, frame: "av.VideoFrame") -> None:
            nonlocal size, sample
            sample = sample or frame
            size += frame_bytes(frame)
            if size <= HELD_BYTES:
                held.append(frame)
            else:
                held.clear()

        timeline, errors = decode_whole(
            self.path,
            hold,
            check=self.check_time,
            multi_thread=self.multi_thread,
            promised=promised,
        )
        self.decoded += len(timeline.pts)
        if errors and self.multi_thread:  # of several threads it is not known which frame is lost
            self.multi_thread = False
            return self._read_whole(promised)
        if sample is None:
            because = f" ({errors[0]})" if errors else ""
            raise VideoError(
                f"{printable(self.path)}: no decodable frame{because}; re-encode it or remove it "
                "from the list"
            )
        chosen = choose_frames(timeline, self.select)
        require_memory(len(chosen.unique), sample.width, sample.height)
        images = self._pick(chosen.unique.tolist(), held)
        return chosen.frames(images, decoded=self.decoded), sample, errors

    def _pick(self, unique: list[int], held: "list[av.VideoFrame]") -> np.ndarray:
        """The images of sorted places, from the frames held or by decoding once more."""
        if held:
            return stack(len(unique), (self.to_rgb(held[place]) for place in unique))
        return stack(len(unique), self._decode_again(unique))

    def _decode_again(self, unique: list[int]) -> Iterator[np.ndarray]:
        wanted = set(unique)
        with open_video(self.path, multi_thread=self.multi_thread) as (container, stream):
            for place, frame in enumerate(Decoder(container, stream).frames(self.check_time)):
                self.decoded += 1
                if place in wanted:
                    yield self.to_rgb(frame)
                if place == unique[-1]:
                    return

    def to_rgb(self, frame: "av.VideoFrame") -> np.ndarray:
        """(H, W, 3) uint8."""
        threads = 0 if self.multi_thread else 1
        return self.reformatter.reformat(frame, format="rgb24", threads=threads).to_ndarray()
