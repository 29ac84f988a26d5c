"""Decode chosen frames by the list of packets; every frame that comes is compared with the list.

Decoding starts at the keyframe before each run of chosen frames, and starts again at a later one
where that is faster.
"""

from collections.abc import Callable

import av
import numpy as np

from timesformer.video.decoding import Check, IrregularError, Seeker
from timesformer.video.packets import Packets

WORTH_A_SEEK = 4  # frames: fewer are decoded faster than the decoder restarts

Take = Callable[[int, "av.VideoFrame"], None]  # a place and its frame


def settled(packets: Packets, seeker: Seeker, check: Check = lambda: None) -> tuple[Packets, int]:
    """``packets`` with the frames of their head that the decoder really gives, and how many it gave.

    Raises:
        IrregularError: it gives others.
    """
    if not len(packets.head):
        return packets, 0
    last = packets.head[-1]
    given: list[int] = []
    for frame in seeker.frames_from(None, check):
        if frame.pts is None or (given and frame.pts <= given[-1]):
            raise IrregularError("frames of the head are out of order")
        given.append(frame.pts)
        if frame.pts > last:
            break
    unknown = set(given) - set(packets.head.tolist())
    if unknown != set(packets.shown[packets.shown > last][:1].tolist()):
        raise IrregularError("frames of the head are not those listed")
    return packets.without_head(set(given)), len(given)


class ListedDecoder:
    """Decodes chosen places, sorted, and hands each to ``take``; ``sample`` is a decoded frame."""

    def __init__(
        self,
        packets: Packets,
        seeker: Seeker,
        places: list[int],
        take: Take,
        check: Check = lambda: None,
    ) -> None:
        self.packets = packets
        self.seeker = seeker
        self.take = take
        self.check = check
        self.shown = packets.shown
        self.places = places
        self.sample: av.VideoFrame | None = None
        self.decoded = 0

    def decode(self) -> None:
        """Take all places; IrregularError if the decoder gives other frames than listed."""
        skipped = self.packets.disposable - set(self.shown[self.places].tolist())
        at = 0
        while at < len(self.places):
            number = self.packets.start_before(int(self.shown[self.places[at]]))
            at = self._decode_from(number, at, skipped)

    def _decode_from(self, number: int, at: int, skipped: set[int]) -> int:
        """Decode from a start until a later one is worth a jump; the next of ``places`` due."""
        start = self.packets.starts[number]
        due = int(np.searchsorted(self.shown, start.pts))
        is_first = due < len(self.shown) and self.shown[due] == start.pts
        jump = self._jump(number, at)
        for frame in self.seeker.frames_from(start, self.check, without=skipped):
            self.decoded += 1
            if frame.pts is not None and frame.pts < start.pts:
                continue  # it precedes the start, and may lack what it refers to
            while due < len(self.shown) and int(self.shown[due]) in skipped:
                due += 1
            if due == len(self.shown) or frame.pts != self.shown[due]:
                raise IrregularError(f"a frame at {frame.pts} that is not the next one listed")
            if is_first and frame.pict_type != av.video.frame.PictureType.I:
                raise IrregularError("a keyframe that is none")
            is_first = False
            if due == self.places[at]:
                self.sample = self.sample or frame
                self.take(due, frame)
                at += 1
                if at == len(self.places):
                    return at
                jump = self._jump(number, at)
            place, due = due, due + 1
            if place < min(self.places[at], jump):
                return at
        raise IrregularError("fewer frames than listed")

    def _jump(self, number: int, at: int) -> int:
        """Places before this one are better skipped by starting again at a later keyframe."""
        later = self.packets.start_before(int(self.shown[self.places[at]]))
        if later <= number:
            return 0
        return int(np.searchsorted(self.shown, self.packets.starts[later].pts)) - WORTH_A_SEEK
