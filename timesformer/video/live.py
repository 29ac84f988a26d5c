"""Frames of a stream as they arrive: how long it lasts is not known, and it may break off.

The time of a frame is in ticks after the first one, and always increases. Where the times of a stream
jump, its time begins anew: a ``LiveVisitor`` is told so. Cameras that send JPEG pictures by HTTP give no
times, of which FFmpeg makes 25 a second: the time of a frame is that of its arrival there.
"""

from time import monotonic
from typing import Protocol

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from timesformer.video import streams
from timesformer.video.decoding import Decoder, Release
from timesformer.video.timeline import DEFAULT_FPS, REORDER

MOST_GAP_SECONDS = 30.0  # between two frames; a longer one is a jump of the clock
WITHOUT_TIMES = ("mpjpeg",)  # FFmpeg's name of such a camera
ARRIVAL_TICK = 1e-4  # seconds, of times of arrival
JUMPED = "the clock of the stream jumped by {:+.2f} s"


class LiveVisitor(Protocol):
    """Takes frames in order, as they arrive."""

    def begin(self, fps: float, tick_seconds: float, reason: str) -> None:
        """Time begins, or begins anew: ticks are counted from the next frame on."""

    def take(self, ticks: int, image: np.ndarray) -> None:
        """A frame, (H, W, 3) uint8 RGB, and its time."""

    def lose(self, error: str) -> None:
        """Frames before the next one could not be decoded."""

    def finish(self) -> None:
        """The connection has ended."""


class StreamClock:
    """Increasing ticks of frames from the times that come with them.

    Args:
        fps: frames a second, of a frame without a time.
        tick_seconds: of the stream.
    """

    def __init__(self, fps: float, tick_seconds: float) -> None:
        self.step = 1 / fps / tick_seconds
        self.tick_seconds = tick_seconds
        self.first: int | None = None
        self.last = 0  # pts of the latest frame

    def place(self, pts: int | None) -> tuple[int, str]:
        """Ticks of the next frame after the first one, and why time begins anew with it, if it does.

        Args:
            pts: of the frame; None: one frame after the one before.
        """
        if self.first is None:
            self.first = self.last = pts or 0
            return 0, "the stream begins"
        jump = self.step if pts is None else pts - self.last
        if -REORDER * self.step <= jump <= 0:
            jump = 1.0  # a little out of order
        if not 0 < jump * self.tick_seconds <= MOST_GAP_SECONDS:
            assert pts is not None
            self.first = self.last = pts
            return 0, JUMPED.format(jump * self.tick_seconds)
        self.last += max(round(jump), 1)
        return self.last - self.first, ""


def visit_stream(
    container: "av.container.InputContainer",
    stream: "av.VideoStream",
    visitor: LiveVisitor,
    *,
    release: Release,
    apply_rotation: bool = False,
) -> None:
    """Show ``visitor`` all frames of one connection, until it ends.

    Args:
        container: that has just been opened.
        stream: of it.
        visitor: what it raises ends the visit.
        release: called with each packet as soon as it has arrived.
        apply_rotation: turn the frames as a player would.

    Raises:
        av.FFmpegError, OSError: the connection broke off; ``visitor.finish`` is called then too.
    """
    header = streams.read_header(container, stream)
    fps = header.fps or DEFAULT_FPS
    has_times = container.format.name not in WITHOUT_TIMES
    tick = (header.tick_seconds or 1 / fps) if has_times else ARRIVAL_TICK
    clock, reformatter = StreamClock(fps, tick), VideoReformatter()
    decoder = Decoder(container, stream, release)
    try:
        for frame in decoder.frames():
            ticks, reason = clock.place(frame.pts if has_times else round(monotonic() / tick))
            if reason:
                visitor.begin(fps, tick, reason)
            elif decoder.errors:
                visitor.lose(decoder.errors[-1])
            decoder.errors.clear()  # a stream may go on for weeks
            image = reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
            matrix = streams.display_matrix(frame) if apply_rotation else None
            if matrix is not None:
                image = streams.turn(image[None], matrix)[0]
            visitor.take(ticks, image)
    finally:
        visitor.finish()
