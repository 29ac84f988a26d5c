"""Packets to frames: all of a video in the decoder's order, or those after a packet of a list."""

from collections.abc import Callable, Iterator, Set

import av

from timesformer.video.bitstream import VideoPacket
from timesformer.video.packets import Packets, Start, is_filler

Check = Callable[[], None]  # raises when the time is over
# Returns when a packet, or with None the next picture of a folder, may be decoded.
Release = Callable[["VideoPacket | None"], None]


def at_once(packet: "VideoPacket | None") -> None:
    """Release every packet as soon as it is read."""


class IrregularError(Exception):
    """The decoder does not give the frames that the packets promise; the message says how."""


class Decoder:
    """Every frame of a stream that has just been opened, in the decoder's order.

    A packet that cannot be decoded gives no frame; ``errors`` says why, one text for each. Damage of
    the container ends the stream there.
    """

    def __init__(
        self,
        container: "av.container.InputContainer",
        stream: "av.VideoStream",
        release: Release = at_once,
    ) -> None:
        self.container = container
        self.stream = stream
        self.release = release
        self.errors: list[str] = []

    def frames(self, check: Check = lambda: None) -> "Iterator[av.VideoFrame]":
        """The frames; ``check`` is called after every packet."""
        for packet in self._packets():
            self.release(packet)
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                self.errors.append(f"{type(error).__name__}: {error.strerror}")
                frames = []
            yield from frames
            check()

    def _packets(self) -> Iterator[VideoPacket]:
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.InvalidDataError as error:
                self.errors.append(f"{type(error).__name__}: {error.strerror}")
                return
            if not is_filler(packet):
                yield packet


class Seeker:
    """Decodes from any packet of a list on; the frames are then to be compared with the list."""

    def __init__(
        self,
        container: "av.container.InputContainer",
        stream: "av.VideoStream",
        packets: Packets,
        release: Release = at_once,
    ) -> None:
        self.container = container
        self.stream = stream
        self.packets = packets
        self.release = release

    def frames_from(
        self, start: Start | None, check: Check, *, without: Set[int] = frozenset()
    ) -> "Iterator[av.VideoFrame]":
        """Frames from ``start`` on, from the first packet if it is None.

        Args:
            start: of the list.
            check: called after every packet.
            without: pts of packets that are left out.

        Raises:
            IrregularError: a packet cannot be decoded, or the start is not found again.
        """
        self.stream.codec_context.flush_buffers()
        for packet in self._packets_from(start):
            if packet.pts in without and packet.size:
                continue
            self.release(packet)
            try:
                yield from packet.decode()
            except av.FFmpegError as error:
                raise IrregularError(f"a packet that cannot be decoded: {error}") from error
            check()

    def _packets_from(self, start: Start | None) -> Iterator[VideoPacket]:
        if self.packets.kept is not None:
            yield from self.packets.kept[start.position if start else 0 :]
            return
        position = start.position if start else 0
        # Some containers seek by presentation time, some by decoding time, some not at all well.
        for seek_to in [*self.packets.times[position].tolist(), *self.packets.times[0].tolist()]:
            found = self._seek(int(seek_to), position)
            if found is not None:
                yield from found
                return
        raise IrregularError("a start that is not found again")

    def _seek(self, seek_to: int, position: int) -> Iterator[VideoPacket] | None:
        """Packets from number ``position`` on; None if the seek leads past it."""
        earlier = self.packets.times[: position + 1, 0].tolist()
        wanted, known = earlier[-1], set(earlier)
        self.container.seek(seek_to, stream=self.stream)
        packets = (each for each in self.container.demux(self.stream) if not is_filler(each))
        for packet in packets:
            if packet.pts == wanted:
                return _chain(packet, packets)
            if packet.pts not in known:
                return None
        return None


def _chain(first: VideoPacket, rest: Iterator[VideoPacket]) -> Iterator[VideoPacket]:
    yield first
    yield from rest


def frame_bytes(frame: "av.VideoFrame") -> int:
    """Memory that a decoded frame holds."""
    return sum(plane.buffer_size for plane in frame.planes)
