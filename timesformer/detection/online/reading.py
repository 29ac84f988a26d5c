"""A source to windows, in a thread of its own: files as ``detect`` reads them, live sources as they come.

Everything that is known is put into the ``Backlog``: ``Began``, ``Ready`` windows, ``Over``, changes of
the source, and at the end ``Ended``.
"""

import contextlib
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import av
import numpy as np

from timesformer.detection.detector import Detector
from timesformer.detection.frames import Clip, Restarted, Stopped
from timesformer.detection.online.backlog import Backlog, Waiting
from timesformer.detection.online.clips import Began, Changed, Over, StreamClips, WholeWindow
from timesformer.detection.online.items import SourceChange
from timesformer.detection.online.pace import Arrival, Pace
from timesformer.detection.online.sources import Source, connect, is_finite
from timesformer.detection.timeline import find_gaps, in_gaps
from timesformer.io.opening import SourceError
from timesformer.io.terminal import first_line, printable
from timesformer.video import VideoError
from timesformer.video.live import visit_stream
from timesformer.video.timeline import Indices, Timeline
from timesformer.video.visit import Visitor

BEHIND_SECONDS = 2.0  # of a live source
BURST_SECONDS = 10.0  # of a source that sends frames in bursts, as segments of HLS
FIRST_DELAY, MOST_DELAY = 0.5, 30.0  # seconds before connecting again: doubled each time
BROKEN = (av.FFmpegError, OSError, ValueError)  # of a connection
REFUSED = (  # answers of a server that do not change by asking again
    av.error.HTTPUnauthorizedError,
    av.error.HTTPForbiddenError,
    av.error.HTTPNotFoundError,
    av.error.HTTPOtherClientError,
    av.error.ProtocolNotFoundError,
    SourceError,
)

PIPED = "a pipe must carry a format that needs no seeking: ffmpeg -i FILE -c copy -f mpegts -"

Show = Callable[[np.ndarray], None]  # a picture (H, W, 3) uint8 RGB


class Ready(NamedTuple):
    """A window for the model, and when it came, by the monotonic clock.

    ``arrived``: its last packet was there; ``released``: decoding of that began; ``ready``: its clip was
    cut.
    """

    window: WholeWindow
    arrived: float
    released: float
    ready: float


class Due(NamedTuple):
    """A window that was skipped."""

    start: float
    end: float


class Ended(NamedTuple):
    """Nothing comes any more; ``failure`` says why that was not meant to be."""

    failure: str = ""


@dataclass
class Reading:
    """The work of the thread, and what others may look at meanwhile.

    ``speed``: of a file that is paced; None: as fast as it is wanted. ``show`` gets every picture that is
    read.
    """

    detector: Detector
    source: Source
    backlog: Backlog
    speed: float | None
    retries: int
    timeout: float
    show: Show
    frames: int = 0

    def __post_init__(self) -> None:
        paced = self.speed is not None
        stop = self.backlog.stop
        self.arrival = Pace(stop, self.speed or 1.0) if paced else Arrival(stop)

    def run(self) -> None:
        """Read until the end, or until nobody takes items; errors are put into the backlog."""
        try:
            self.backlog.put(self._read_live() if self.source.is_live else self._read_file())
        except Exception as error:  # raised again by whoever takes it
            with contextlib.suppress(Stopped):
                self.backlog.put(error)

    def _read_file(self) -> Ended:
        maker = self.detector.maker(self._give_of_file)
        visited = self.detector.visit(
            self.source.name,
            _Counted(maker, self),
            multi_thread=self.speed is None,
            release=self.arrival,
        )
        self.backlog.put(Over(visited.timeline.duration_seconds))
        lost = len(visited.errors)
        return Ended(f"{lost} packets cannot be decoded: {visited.errors[0]}" if lost else "")

    def _give_of_file(self, item: Restarted | Clip) -> None:
        if isinstance(item, Restarted):
            timeline, self.times = item.timeline, item.windows.times
            gaps = find_gaps(
                timeline.seconds, timeline.frame_seconds, item.errors, timeline.promised or 0
            )
            self.lost = in_gaps(self.times, gaps)
            self.arrival.begin()
            self.backlog.put(Began("the decoder gives other frames than the file promises"))
            return
        start, end = self.times[item.number].tolist()
        self._put(WholeWindow(start, end, item.frames, bool(self.lost[item.number])))

    def _put(self, window: WholeWindow) -> None:
        times = self.arrival.arrived, self.arrival.released, time.monotonic()
        self.backlog.put(Waiting(Ready(window, *times), Due(window.start, window.end)))

    def _read_live(self) -> Ended:
        """Connect again and again, with growing delays between attempts that gave no frame."""
        failed = 0
        while True:
            before = self.frames
            reason, is_over = self._connection()
            if is_over:
                return Ended()
            failed = 1 if self.frames > before else failed + 1
            if not self.source.reconnects and not self.frames:
                raise VideoError(f"{self.source.shown}: {reason}; {PIPED}")
            if failed > self.retries or not self.source.reconnects:
                return Ended(reason)
            delay = min(FIRST_DELAY * 2 ** (failed - 1), MOST_DELAY)
            self.backlog.put(SourceChange("lost", reason, retry_in=delay))
            if self.backlog.stop.wait(delay):
                return Ended()

    def _connection(self) -> tuple[str, bool]:
        """Why one connection has ended, and whether it was meant to."""
        before, is_over = self.frames, False
        try:
            with connect(self.source, self.backlog.stop, timeout=self.timeout) as (media, stream):
                is_over = not self.source.reconnects or is_finite(media)
                visit_stream(
                    media,
                    stream,
                    _CountedLive(self._clips(), self),
                    release=self.arrival,
                    apply_rotation=self.detector.settings["apply_rotation"],
                )
        except BROKEN as error:
            if isinstance(error, SourceError) and not self.frames:
                raise  # it names the source
            reason = self._reason(error)
            if isinstance(error, REFUSED) and not self.frames:
                raise VideoError(f"{self.source.shown}: {reason}") from error
            return reason, False
        if self.frames == before:
            return "no frame can be decoded", False
        return "the stream has ended", is_over

    def _reason(self, error: Exception) -> str:
        """In words, without FFmpeg's numbers."""
        if isinstance(error, av.error.ExitError):
            return f"nothing has come for {self.timeout:g} s (--timeout)"
        text = getattr(error, "strerror", None)
        is_told = isinstance(error, av.FFmpegError) and text
        return printable(text) if is_told else first_line(error)

    def _clips(self) -> StreamClips:
        select, crop = self.detector.view.draw(np.random.default_rng(0))
        return StreamClips(
            self.detector.grid,
            select,
            crop,
            self._give_of_stream,
            reverse_channels=self.detector.settings["reverse_channels"],
        )

    def _give_of_stream(self, item: Began | WholeWindow | Over | Changed) -> None:
        if isinstance(item, WholeWindow):
            self._put(item)
            return
        if isinstance(item, Changed):
            self.backlog.put(SourceChange("changed", item.what, at=item.seconds))
            return
        self.backlog.put(item)


@dataclass
class _Counted:
    """A visitor of a file whose frames are counted and shown."""

    visitor: Visitor
    reading: Reading

    def begin(self, timeline: Timeline, errors: Any = ()) -> Indices:
        return self.visitor.begin(timeline, errors)

    def take(self, place: int, image: np.ndarray) -> None:
        self.reading.frames += 1
        self.visitor.take(place, image)
        self.reading.show(image)  # after it: it takes time


@dataclass
class _CountedLive:
    """A visitor of a live source whose frames are counted and shown; it tells when they fall behind."""

    visitor: StreamClips
    reading: Reading

    def begin(self, fps: float, tick_seconds: float, reason: str) -> None:
        self.tick = tick_seconds
        self.least = self.newest = math.inf  # seconds by which the clock was ahead of the stream
        self.until = BURST_SECONDS  # of the stream: since when ``newest`` counts, and that long
        self.visitor.begin(fps, tick_seconds, reason)

    def take(self, ticks: int, image: np.ndarray) -> None:
        self.reading.frames += 1
        self._note_delay(ticks * self.tick)
        self.visitor.take(ticks, image)
        self.reading.show(image)

    def lose(self, error: str) -> None:
        self.visitor.lose(error)

    def finish(self) -> None:
        self.reading.arrival.note()  # only now it is known that no frame follows
        self.visitor.finish()

    def _note_delay(self, seconds: float) -> None:
        """Tell if the promptest frame of a while is much later than the promptest one before."""
        ahead = self.reading.arrival.released - seconds
        self.newest = min(self.newest, ahead)
        if seconds < self.until:
            return
        late = self.newest - self.least
        if late > BEHIND_SECONDS and not self.reading.backlog.reading_waits:
            reason = f"frames come {late:.1f} s later than they did"
            self.reading.backlog.put(SourceChange("behind", reason, at=seconds))
            self.least = self.newest
        self.least = min(self.least, self.newest)
        self.newest, self.until = math.inf, seconds + BURST_SECONDS


def start(reading: Reading) -> threading.Thread:
    """Run ``reading`` in a thread that does not keep the process alive."""
    thread = threading.Thread(target=reading.run, name="reading", daemon=True)
    thread.start()
    return thread
