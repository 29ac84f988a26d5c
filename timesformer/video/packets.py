"""What a container says without decoding: which frames there are, and where decoding can start.

In most files that is exact: every packet has a time of its own and gives the frame of that time. In
others only the decoder knows which frames there are and in which order; the list says why.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

import av
import numpy as np

from timesformer.video.bitstream import Picture, VideoPacket, look_into
from timesformer.video.timeline import REORDER, StreamHeader, Timeline, from_pts

KEPT_BYTES = 64 * 1024 * 1024  # packets of larger videos are read again instead of kept


class Start(NamedTuple):
    """A packet where decoding can start: its time in ticks, and its place among the packets."""

    pts: int
    position: int


class Packets(NamedTuple):
    """The packets of a video stream, none of them decoded.

    ``irregular`` says why only the decoder knows frames and order; empty: ``timeline`` has them, and
    ``shown`` (N,) their pts, which the packets and frames carry.
    ``head`` holds the times (sorted) of frames that may lack what they refer to, since the file
    starts inside a group of pictures: only decoding tells which of them are shown. ``disposable``
    holds the pts of pictures that no other picture refers to. ``kept`` holds the packets themselves,
    in decoding order and with the final empty one, or None for a large video. ``times`` (P, 2) holds
    pts and dts of all packets, to find one again.
    """

    timeline: Timeline
    irregular: str
    shown: np.ndarray
    starts: list[Start]  # sorted by pts
    head: np.ndarray
    disposable: set[int]
    times: np.ndarray
    kept: list[VideoPacket] | None
    header: StreamHeader

    def without_head(self, given: set[int]) -> "Packets":
        """The list with only those frames of the head that are ``given`` (pts) by the decoder."""
        lost = [pts for pts in self.head.tolist() if pts not in given]
        shown = np.setdiff1d(self.shown, lost)
        timeline = from_pts(shown, self.header, promised=len(shown))
        return self._replace(shown=shown, timeline=timeline, head=self.head[:0])

    def start_before(self, pts: int) -> int:
        """Number of the last start not after ``pts``; the first one if none is."""
        return max(bisect_right(self.starts, pts, key=lambda start: start.pts) - 1, 0)


class _Listed(NamedTuple):
    """One packet that holds a picture."""

    pts: int
    dts: int
    position: int
    is_start: bool
    is_shown: bool  # False: it is there to be decoded, not to be shown (edit lists)


def list_packets(
    container: "av.container.InputContainer", stream: "av.VideoStream", header: StreamHeader
) -> Packets:
    """Read all packets of a stream that has just been opened."""
    look = look_into(stream)
    listed: list[_Listed] = []
    disposable: set[int] = set()
    reasons: list[str] = []
    kept: list[VideoPacket] | None = []
    size = position = hidden = 0
    for packet in _demux(container, stream, reasons):
        if is_filler(packet):
            hidden += 1
            continue
        size += packet.size
        kept = _keep(kept, packet, size)
        if packet.size:
            picture = look(packet)
            if reason := _doubt(packet, picture):
                reasons.append(reason)
            else:
                listed.append(_entry(packet, position, picture))
                if picture.is_disposable and not packet.is_keyframe:
                    disposable.add(listed[-1].pts)
        position += 1
    reason = next(iter(reasons), "") or _disorder(listed, stream, header)
    shown = np.sort(np.array([each.pts for each in listed if each.is_shown], dtype=np.int64))
    starts = sorted(Start(each.pts, each.position) for each in listed if each.is_start)
    if not starts:
        reason = reason or "no packet that decoding can start at"
    hidden += sum(not each.is_shown for each in listed)
    promised = max(len(shown), header.frames - hidden)
    timeline = from_pts(shown, header, promised=promised)
    times = np.array([(each.pts, each.dts) for each in listed], dtype=np.int64).reshape(-1, 2)
    head = _head(listed, shown)
    return Packets(timeline, reason, shown, starts, head, disposable, times, kept, header)


def is_filler(packet: VideoPacket) -> bool:
    """Whether a packet is an empty one in the middle of a file, which would end the decoder."""
    return not packet.size and packet.dts is not None


def _demux(
    container: "av.container.InputContainer", stream: "av.VideoStream", reasons: list[str]
) -> Iterator[VideoPacket]:
    """All packets; where the container is damaged they end, with a reason."""
    try:
        yield from container.demux(stream)
    except av.InvalidDataError as error:
        reasons.append(f"the container is damaged ({error.strerror})")


def _entry(packet: VideoPacket, position: int, picture: Picture) -> _Listed:
    dts = packet.dts if packet.dts is not None else packet.pts
    is_start = packet.is_keyframe and picture.can_start
    return _Listed(packet.pts, dts, position, is_start, not packet.is_discard)  # type: ignore[arg-type]


def _doubt(packet: VideoPacket, picture: Picture) -> str:
    """Why it is unknown which frame a packet gives; empty if it is known."""
    if packet.pts is None:
        return "packets have no times"
    if not picture.is_shown:
        return "packets hold no picture to be shown"
    if packet.is_corrupt:
        return "packets are damaged"
    return ""


def _disorder(listed: list[_Listed], stream: "av.VideoStream", header: StreamHeader) -> str:
    """Why sorted times are not the order of the decoder; empty if they are."""
    if not listed:
        return ""
    pts = np.array([each.pts for each in listed], dtype=np.int64)
    if len(np.unique(pts)) < len(pts):
        return "times repeat"
    if not header.has_times and stream.codec_context.has_b_frames:
        return "times are those of decoding"
    order = np.argsort(pts, kind="stable")
    if np.abs(order - np.arange(len(pts))).max() > REORDER:
        return "times jump back"
    starts = np.flatnonzero([each.is_start for each in listed])
    starts = starts[starts > 0]
    if np.any(np.maximum.accumulate(pts)[starts - 1] > pts[starts]):
        return "times jump back"
    return ""


def _head(listed: list[_Listed], shown: np.ndarray) -> np.ndarray:
    """Sorted times of the shown frames that stand before the first start, or are earlier."""
    first = next((i for i, each in enumerate(listed) if each.is_start), None)
    if first is None:
        return shown
    before = {each.pts for each in listed[:first] if each.is_shown}
    early = shown[shown < listed[first].pts].tolist()
    return np.array(sorted(before.union(early)), dtype=np.int64)


def _keep(
    kept: list[VideoPacket] | None, packet: VideoPacket, size: int
) -> list[VideoPacket] | None:
    if kept is None or size > KEPT_BYTES:
        return None
    kept.append(packet)
    return kept
