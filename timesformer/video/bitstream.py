"""What the first bytes of a packet tell of its picture, without decoding it.

Containers flag packets wrongly or not at all: placeholders that give no frame, hidden reference
pictures, keyframes that are none. Each codec that has such packets is one row of ``_LOOKS``.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import av

SMALLEST_PICTURE = 9  # bytes: packets of MPEG-4 and its relatives that hold none are smaller
_VOP = b"\x00\x00\x01\xb6"  # MPEG-4: a picture; two bits of its type follow
_SEARCHED = 512  # bytes in which it is looked for
_SLICES = range(1, 6)  # H.264 NAL unit types that hold picture data


VideoPacket: TypeAlias = "av.Packet[av.VideoStream]"


class Picture(NamedTuple):
    """What a packet holds, as far as its first bytes tell."""

    is_shown: bool = True  # False: the packet gives no frame
    can_start: bool = True  # False: decoding cannot start here, though the container may say so
    is_disposable: bool = False  # no other picture refers to it


Look = Callable[[VideoPacket], Picture]
_PLAIN = Picture()


def look_into(stream: "av.VideoStream") -> Look:
    """How packets of ``stream`` are looked into."""
    context = stream.codec_context
    if context is None:  # no decoder knows the codec
        return _plain
    if context.name == "h264":
        prefix = _nal_prefix(context.extradata)
        return (lambda packet: _h264(memoryview(packet), prefix)) if prefix else _plain
    return _LOOKS.get(context.codec.canonical_name, _plain)


def _plain(_: VideoPacket) -> Picture:
    return _PLAIN


def _h264(data: memoryview, nal_prefix: int) -> Picture:
    """Of NAL units, each behind its length of ``nal_prefix`` bytes: nal_ref_idc 0 is disposable."""
    at = 0
    while at + nal_prefix < len(data):
        header = data[at + nal_prefix]
        if header & 31 in _SLICES:
            return Picture(is_disposable=header >> 5 & 3 == 0)
        at += nal_prefix + int.from_bytes(data[at : at + nal_prefix], "big")
    return Picture(is_shown=False)


def _nal_prefix(extradata: bytes | None) -> int:
    """Bytes of a NAL unit's length in the packets of mp4, mov and mkv; 0 for anything else."""
    if not extradata or len(extradata) < 5 or extradata[0] != 1:
        return 0
    return (extradata[4] & 3) + 1


def _mpeg4(packet: VideoPacket) -> Picture:
    """Placeholders of packed files are small; only I pictures are keyframes, despite wrong flags."""
    if packet.size < SMALLEST_PICTURE:
        return Picture(is_shown=False)
    head = bytes(memoryview(packet)[:_SEARCHED])
    at = head.find(_VOP)
    if at < 0 or at + len(_VOP) >= len(head):
        return _PLAIN
    kind = head[at + len(_VOP)] >> 6  # 0: I, 1: P, 2: B, 3: S
    return _PLAIN if kind == 0 else Picture(can_start=False)


def _small(packet: VideoPacket) -> Picture:
    return Picture(is_shown=packet.size >= SMALLEST_PICTURE)


def _vp8(packet: VideoPacket) -> Picture:
    first = memoryview(packet)[0]
    return Picture(is_shown=bool(first >> 4 & 1), can_start=not first & 1)


def _vp9(packet: VideoPacket) -> Picture:
    """A superframe shows one of its frames; a frame alone says whether it is shown."""
    data = memoryview(packet)
    if data[-1] & 0xE0 == 0xC0:  # the index of a superframe
        return _PLAIN
    late = int(data[0] >> 4 & 3 == 3)  # profile 3 has one bit more before these
    shows_existing, is_shown = data[0] >> (3 - late) & 1, data[0] >> (1 - late) & 1
    return Picture(is_shown=bool(shows_existing or is_shown))


_LOOKS: dict[str, Look] = {
    "mpeg4": _mpeg4,
    "msmpeg4v2": _small,
    "msmpeg4v3": _small,
    "vp8": _vp8,
    "vp9": _vp9,
}
