"""When packets arrive, by the monotonic clock: from a live source, or a file that is paced."""

import threading
import time

from timesformer.detection.frames import Stopped
from timesformer.video.bitstream import VideoPacket


class Arrival:
    """Notes when each packet arrives; called with it before it is decoded.

    ``arrived``: when the latest packet was there. ``released``: when its decoding began.
    """

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self.arrived = self.released = time.monotonic()

    def begin(self) -> None:
        """The time of the video begins with the next packet."""

    def __call__(self, packet: "VideoPacket | None") -> None:
        if self.stop.is_set():
            raise Stopped
        self.note()

    def note(self) -> None:
        """Something has become known now, if only that no packet follows."""
        self.arrived = self.released = time.monotonic()


class Pace(Arrival):
    """Holds the packets of a file back until a camera would have sent them.

    A packet that is read too late has arrived in time, and waits since then.

    Args:
        stop: ends the waiting.
        speed: 2 is twice as fast as real time.
    """

    def __init__(self, stop: threading.Event, speed: float) -> None:
        super().__init__(stop)
        self.speed = speed
        self.is_begun = False
        self.zero: float | None = None  # when the second 0 of the file is due

    def begin(self) -> None:
        self.is_begun, self.zero = True, None

    def __call__(self, packet: "VideoPacket | None") -> None:
        super().__call__(packet)
        if packet is None:
            return
        ticks = packet.pts if packet.dts is None else packet.dts
        if not self.is_begun or ticks is None or not packet.time_base:
            return
        seconds = float(ticks * packet.time_base) / self.speed
        if self.zero is None:
            self.zero = self.released - seconds
        due = self.zero + seconds
        if self.stop.wait(max(due - time.monotonic(), 0)):
            raise Stopped
        self.arrived = due
        self.released = max(due, time.monotonic())  # waiting may end a little early
