"""What a container says without decoding: times, keyframes, and packets nothing refers to."""

from bisect import bisect_left, bisect_right
from typing import NamedTuple

import av
import numpy as np

from timesformer.video.sampling import Timeline

KEPT_BYTES = 64 * 1024 * 1024  # packets of larger videos are read again instead of kept
PLACEHOLDER_BYTES = 8  # packed MPEG-4 files flag packets without a picture as keyframes
_SLICES = range(1, 6)  # H.264 NAL unit types that hold picture data


class Keyframe(NamedTuple):
    """Where decoding can start: its times in ticks, and its place among the packets."""

    pts: int
    dts: int
    position: int


class Packets(NamedTuple):
    """The packets of a video stream.

    ``disposable`` holds the pts of pictures that no other picture refers to, ``doubtful`` (sorted)
    those of packets so small that they may hold none: only decoding can tell. ``kept`` holds the
    packets themselves, in decoding order and with the final empty one, or None for a large video.
    """

    timeline: Timeline
    keyframes: list[Keyframe]  # sorted by pts; the first packet counts as one
    disposable: set[int]
    doubtful: list[int]
    kept: "list[av.Packet] | None"

    def are_certain(self, first: int, last: int) -> bool:
        """Whether every packet with ``first`` <= pts < ``last`` surely gives a frame."""
        return bisect_left(self.doubtful, first) == bisect_left(self.doubtful, last)

    def keyframe_before(self, pts: int) -> int:
        """Number of the last keyframe not after ``pts``; the first one if none is."""
        return max(bisect_right(self.keyframes, pts, key=lambda keyframe: keyframe.pts) - 1, 0)


def list_packets(container: "av.container.InputContainer", stream: "av.VideoStream") -> Packets:
    """Read all packets of a stream that has just been opened."""
    nal_prefix = _nal_prefix(stream)
    pts: list[int] = []
    keyframes: dict[int, Keyframe] = {}
    disposable: set[int] = set()
    doubtful: list[int] = []
    kept: list[av.Packet] | None = []
    size = 0
    for position, packet in enumerate(container.demux(stream)):
        size += packet.size
        if kept is not None:
            kept = _keep(kept, packet, size)
        time = packet.pts if packet.pts is not None else packet.dts
        if packet.size == 0 or time is None or packet.is_discard:
            continue
        pts.append(time)
        if packet.size <= PLACEHOLDER_BYTES:
            doubtful.append(time)
        if (packet.is_keyframe and packet.size > PLACEHOLDER_BYTES) or not keyframes:
            decoding = min(time, packet.dts) if packet.dts is not None else time
            keyframes[time] = Keyframe(time, decoding, position)
        elif nal_prefix and is_disposable(memoryview(packet), nal_prefix):
            disposable.add(time)
    timeline = Timeline(
        pts=np.unique(np.array(pts, dtype=np.int64)),
        fps=float(stream.average_rate or stream.guessed_rate or 30),
        header_frames=stream.frames or None,
        duration=stream.duration,
        tick_seconds=float(stream.time_base or 0),
    )
    return Packets(timeline, sorted(keyframes.values()), disposable, sorted(doubtful), kept)


def is_disposable(data: "bytes | memoryview", nal_prefix: int) -> bool:
    """Whether the picture in an H.264 packet is referred to by no other (nal_ref_idc 0).

    Args:
        data: NAL units, each behind its length.
        nal_prefix: bytes of that length.
    """
    at = 0
    while at + nal_prefix < len(data):
        header = data[at + nal_prefix]
        if header & 31 in _SLICES:
            return header >> 5 & 3 == 0
        at += nal_prefix + int.from_bytes(data[at : at + nal_prefix], "big")
    return False


def _nal_prefix(stream: "av.VideoStream") -> int:
    """Bytes of a NAL unit's length in the packets of mp4, mov and mkv; 0 for anything else."""
    if stream.codec_context is None:  # no decoder knows the codec
        return 0
    extradata = stream.codec_context.extradata
    if stream.codec_context.name != "h264" or not extradata or extradata[0] != 1:
        return 0
    return (extradata[4] & 3) + 1


def _keep(kept: "list[av.Packet]", packet: "av.Packet", size: int) -> "list[av.Packet] | None":
    if size > KEPT_BYTES:
        return None
    kept.append(packet)
    return kept
