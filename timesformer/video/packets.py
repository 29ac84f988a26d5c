"""What a container says without decoding: which frames there are, and where decoding can start.

In most files that is exact: every packet has a time of its own and gives the frame of that time. In
others only the decoder knows which frames there are and in which order; the list says why.
"""

from array import array
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


class _Listed:
    """The packets that hold a picture, in columns: those of hours of video in a few megabytes."""

    def __init__(self) -> None:
        self._pts, self._dts, self._position = array("q"), array("q"), array("q")
        self._is_start, self._is_shown = bytearray(), bytearray()

    def add(self, packet: VideoPacket, position: int, picture: Picture) -> None:
        """Append the next one, whose time is known."""
        self._pts.append(packet.pts)  # type: ignore[arg-type]
        self._dts.append(packet.dts if packet.dts is not None else packet.pts)  # type: ignore[arg-type]
        self._position.append(position)
        self._is_start.append(packet.is_keyframe and picture.can_start)
        self._is_shown.append(not packet.is_discard)

    def __len__(self) -> int:
        return len(self._pts)

    @property
    def pts(self) -> np.ndarray:
        """(P,) ticks."""
        return np.array(self._pts, dtype=np.int64)

    @property
    def times(self) -> np.ndarray:
        """(P, 2) pts and dts."""
        return np.stack([self.pts, np.array(self._dts, dtype=np.int64)], axis=1)

    @property
    def is_start(self) -> np.ndarray:
        """(P,) whether decoding can start at a packet."""
        return np.frombuffer(bytes(self._is_start), dtype=bool)

    @property
    def is_shown(self) -> np.ndarray:
        """(P,) False: a packet is there to be decoded, not to be shown (edit lists)."""
        return np.frombuffer(bytes(self._is_shown), dtype=bool)

    def starts(self) -> list["Start"]:
        """Packets that decoding can start at, sorted by pts."""
        places = np.flatnonzero(self.is_start).tolist()
        return sorted(Start(self._pts[i], self._position[i]) for i in places)


def list_packets(
    container: "av.container.InputContainer",
    stream: "av.VideoStream",
    header: StreamHeader,
    *,
    keep_bytes: int | None = None,
) -> Packets:
    """Read all packets of a stream that has just been opened.

    ``keep_bytes``: those of a video up to this size are kept; None: KEPT_BYTES.
    """
    most = KEPT_BYTES if keep_bytes is None else keep_bytes
    look = look_into(stream)
    listed = _Listed()
    disposable: set[int] = set()
    reasons: list[str] = []
    kept: list[VideoPacket] | None = []
    size = position = hidden = 0
    for packet in _demux(container, stream, reasons):
        if is_filler(packet):
            hidden += 1
            continue
        size += packet.size
        kept = _keep(kept, packet, is_small=size <= most)
        if packet.size:
            picture = look(packet)
            if reason := _doubt(packet, picture):
                reasons.append(reason)
            else:
                listed.add(packet, position, picture)
                if picture.is_disposable and not packet.is_keyframe:
                    disposable.add(packet.pts)  # type: ignore[arg-type]
        position += 1
    reason = next(iter(reasons), "") or _disorder(listed, stream, header)
    shown, starts = np.sort(listed.pts[listed.is_shown]), listed.starts()
    if not starts:
        reason = reason or "no packet that decoding can start at"
    hidden += int((~listed.is_shown).sum())
    promised = max(len(shown), header.frames - hidden)
    timeline = from_pts(shown, header, promised=promised)
    head = _head(listed, shown)
    return Packets(timeline, reason, shown, starts, head, disposable, listed.times, kept, header)


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


def _doubt(packet: VideoPacket, picture: Picture) -> str:
    """Why it is unknown which frame a packet gives; empty if it is known."""
    if packet.pts is None:
        return "packets have no times"
    if not picture.is_shown:
        return "packets hold no picture to be shown"
    if packet.is_corrupt:
        return "packets are damaged"
    return ""


def _disorder(listed: _Listed, stream: "av.VideoStream", header: StreamHeader) -> str:
    """Why sorted times are not the order of the decoder; empty if they are."""
    if not len(listed):
        return ""
    pts = listed.pts
    if len(np.unique(pts)) < len(pts):
        return "times repeat"
    if not header.has_times and stream.codec_context.has_b_frames:
        return "times are those of decoding"
    order = np.argsort(pts, kind="stable")
    if np.abs(order - np.arange(len(pts))).max() > REORDER:
        return "times jump back"
    starts = np.flatnonzero(listed.is_start)
    starts = starts[starts > 0]
    if np.any(np.maximum.accumulate(pts)[starts - 1] > pts[starts]):
        return "times jump back"
    return ""


def _head(listed: _Listed, shown: np.ndarray) -> np.ndarray:
    """Sorted times of the shown frames that stand before the first start, or are earlier."""
    starts = np.flatnonzero(listed.is_start)
    if not len(starts):
        return shown
    pts, first = listed.pts, starts[0]
    before = pts[:first][listed.is_shown[:first]]
    return np.union1d(before, shown[shown < pts[first]])


def _keep(
    kept: list[VideoPacket] | None, packet: VideoPacket, *, is_small: bool
) -> list[VideoPacket] | None:
    if kept is None or not is_small:
        return None
    kept.append(packet)
    return kept
