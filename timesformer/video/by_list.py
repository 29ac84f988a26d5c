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

Convert = Callable[["av.VideoFrame"], np.ndarray]  # to (H, W, 3) uint8


class ListedDecoder:
    """Decodes chosen places, sorted; ``images`` has one by place, ``sample`` is a decoded frame."""

    def __init__(
        self, packets: Packets, seeker: Seeker, places: list[int], convert: Convert, check: Check
    ) -> None:
        self.packets = packets
        self.seeker = seeker
        self.convert = convert
        self.check = check
        self.shown = packets.shown
        self.places = places
        self.images: dict[int, np.ndarray] = {}
        self.sample: av.VideoFrame | None = None
        self.decoded = 0

    def decode(self) -> None:
        """Fill ``images``; IrregularError if the decoder gives other frames than listed."""
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
                self.images[due] = self.convert(frame)
                self.sample = self.sample or frame
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
