"""Windows of a stream scored as they come, and the actions that they show.

for event in Watcher(predictor, "rtsp://camera/1"):
    if event.kind == "start":
        print(event.label, event.start)

One thread reads and cuts windows, this one computes. If the model is too slow, whole windows are
skipped (``backlog``); the score of each other window is that of the recorded file.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np
import torch

from timesformer.config import CfgNode, ConfigError
from timesformer.detection.build import build_stream_problem
from timesformer.detection.detector import Detector
from timesformer.detection.frames import Clip
from timesformer.detection.online.announcer import Announcer
from timesformer.detection.online.backlog import Backlog, LateError, parse_late
from timesformer.detection.online.budget import build_black_clip
from timesformer.detection.online.clips import Began, Over, WholeWindow
from timesformer.detection.online.items import (
    Action,
    Line,
    NewTimeline,
    Skipped,
    SourceChange,
    Summary,
    Window,
)
from timesformer.detection.online.latency import Latencies
from timesformer.detection.online.reading import Due, Ended, Reading, Ready, Show, start
from timesformer.detection.online.sources import find_source
from timesformer.detection.rules import SegmentRules
from timesformer.detection.segments import Event, Segmenter
from timesformer.inference.predictor import Predictor

POLL_SECONDS = 0.2
STALL_SECONDS = 5.0  # without a frame of a live source


class Watcher:
    """What happens in a stream, as an iterator over ``items``: windows, actions, changes, the summary."""

    def __init__(
        self,
        predictor: Predictor,
        source: str,
        *,
        stride: float | None = None,
        span: float | None = None,
        crops: int = 1,
        rules: SegmentRules | None = None,
        late: str | None = None,
        hold: float = 0.0,
        speed: float | None = None,
        retries: int = 5,
        timeout: float = 10.0,
        show: Show = lambda image: None,
    ) -> None:
        """Watch ``source``; nothing is opened before the first item is asked for.

        Args:
            predictor: its number of views does not matter.
            source: see ``sources``.
            stride: seconds between windows, as of ``Detector``; the next two likewise.
            span: seconds of a window.
            crops: number of crops of each window.
            rules: by which scores become segments.
            late: what happens when the model is too slow: see ``backlog``. Default: ``skip``, and
                ``wait`` for a file that is not paced.
            hold: seconds for which an action must go on before it is told.
            speed: of a file that is paced: 1 is real time.
            retries: attempts without a frame after which a live source is given up.
            timeout: seconds without data after which the network is connected again.
            show: called with each picture, in the thread that reads.

        Raises:
            ConfigError: stride or span do not fit the model, the model sees flow, or the speed is not
                above 0.
            SourceError: there is no such source.
            LateError, RulesError: an option that cannot be.
        """
        if speed is not None and not speed > 0:
            raise ConfigError(f"--speed is {speed:g}, but must be above 0; 1 is real time")
        if problem := build_stream_problem(predictor.cfg):
            raise ConfigError(problem)
        self.detector = Detector(predictor, stride=stride, span=span, crops=crops, batch=1)
        self.class_names = predictor.class_names or build_class_numbers(predictor.cfg)
        self.source = find_source(source, realtime=speed is not None)
        self.rules = rules or SegmentRules()
        has_pace = self.source.is_live or speed is not None
        self.late = late or ("skip" if has_pace else "wait")
        self.hold = hold
        self.speed = speed
        policy = parse_late(self.late)
        if not (has_pace or policy.reading_waits):
            raise LateError(
                f"--late {self.late} is for sources that do not wait, and {self.source.shown} is a file, "
                "which does; add --realtime, or leave --late out"
            )
        self.backlog = Backlog(policy)
        self.reading = Reading(
            self.detector, self.source, self.backlog, speed, retries, timeout, show
        )
        self.failure = ""  # why a stream has ended that should not have
        self._latencies = Latencies()
        self._scored = self._skipped = self._unreadable = 0
        self._computed: WholeWindow | None = None  # whose scores are not known yet
        self._timeline = -1
        self._seconds = 0.0  # of earlier timelines
        self._now = 0.0  # end of the latest window
        self._latency = 0.0  # of that
        self._reconnects = 0
        self._is_lost = self._is_finished = False
        self._seen, self._stalled_at = -1, 0.0
        self.started = time.monotonic()
        self._begin_segments()

    def __iter__(self) -> Iterator[Line]:
        if self.backlog.stop.is_set():  # it has been watched
            return
        self._warm_up()
        self.started = time.monotonic()
        start(self.reading)
        try:
            while not isinstance(item := self._next(), Ended):
                yield from self._handle(item)
            self.failure = item.failure
        finally:
            self.backlog.stop.set()
        yield from self.finish()

    def finish(self) -> Iterator[Line]:
        """End: what is open ends, what waits is skipped, and the summary follows; once."""
        if self._is_finished:
            return
        self._is_finished = True
        if self._computed is not None:
            yield from self._skip(Due(self._computed.start, self._computed.end))
        for item in self.backlog.drain():
            if type(item) in _HANDLERS:
                yield from self._handle(item)
        yield from self._close(None)
        yield self._summary()

    def _next(self) -> Any:
        while True:
            item = self.backlog.get(POLL_SECONDS)
            if isinstance(item, Exception):
                raise item
            if item is not None:
                return item
            if stalled := self._stalled():
                return stalled

    def _handle(self, item: Any) -> Iterator[Line]:
        return _HANDLERS[type(item)](self, item)

    def _score(self, ready: Ready) -> Iterator[Line]:
        began = time.monotonic()
        self._computed = window = ready.window
        found = self._probabilities(window)
        done = time.monotonic()
        parts = (
            ready.released - ready.arrived + began - ready.ready,
            ready.ready - ready.released,
            done - began,
        )
        self._latencies.add(*parts)
        self._computed = None
        self._scored += 1
        self._unreadable += window.is_unreadable
        self._now, self._latency = window.end, sum(parts)
        best = 0 if window.is_unreadable else int(found.argmax())
        score = None if window.is_unreadable else float(found[best])
        label = self.class_names[best] if score is not None else ""
        yield Window(
            self._timeline, window.start, window.end, label, score, *parts, probabilities=found
        )
        yield from self._tell(self._segmenter.feed(window.start, window.end, found))

    def _probabilities(self, window: WholeWindow) -> np.ndarray:
        """(K,) float32, nan where the window could not be read."""
        [row] = self.detector.score([Clip(0, window.frames)])
        found: np.ndarray = (
            self.detector.to_probabilities(torch.from_numpy(row)[None]).float()[0].numpy()
        )
        if window.is_unreadable:
            found = np.full_like(found, np.nan)
        return found

    def _skip(self, due: Due) -> Iterator[Line]:
        self._skipped += 1
        yield Skipped(self._timeline, due.start, due.end)

    def _begin(self, began: Began) -> Iterator[Line]:
        if self._is_lost:
            self._is_lost = False
            self._reconnects += 1
            yield SourceChange("reconnected", began.reason)
        yield from self._close(None)
        self._timeline += 1
        self._begin_segments()
        if self._timeline:
            now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
            yield NewTimeline(self._timeline, began.reason, now)

    def _over(self, over: Over) -> Iterator[Line]:
        yield from self._close(over.seconds)
        self._seconds, self._now = self._seconds + over.seconds, 0.0

    def _change(self, change: SourceChange) -> Iterator[Line]:
        self._is_lost = self._is_lost or change.what == "lost"
        yield change

    def _close(self, end: float | None) -> Iterator[Line]:
        """End all segments: the timeline is over at ``end``, or where it is."""
        yield from self._tell(self._segmenter.close(end))

    def _tell(self, events: Sequence[Event]) -> Iterator[Line]:
        active = self._segmenter.active
        for event in self._announcer.feed(events, self._now, active=active):
            yield Action(
                event.kind,
                self._timeline,
                event.label,
                event.start,
                event.end,
                event.score,
                event.known_at,
                self._latency,
            )

    def _begin_segments(self) -> None:
        self._segmenter = Segmenter(self.class_names, self.rules)
        self._announcer = Announcer(self.hold)
        self._now = 0.0

    def _stalled(self) -> SourceChange | None:
        """A live source that gives no frame, once each time."""
        if self.reading.frames != self._seen or not self.source.is_live or self._is_lost:
            self._seen, self._stalled_at = self.reading.frames, time.monotonic()
            return None
        if time.monotonic() - self._stalled_at < STALL_SECONDS:
            return None
        self._stalled_at = float("inf")
        return SourceChange("stalled", f"no frame for {STALL_SECONDS:g} seconds")

    def _warm_up(self) -> None:
        """Compute once: the first time takes longer."""
        cfg = self.detector.predictor.cfg
        self.detector.score([build_black_clip(cfg, crops=self.detector.crops)])

    def _summary(self) -> Summary:
        wall = max(time.monotonic() - self.started, 1e-6)  # of a coarse clock it may be 0
        return Summary(
            due=self.backlog.due,
            scored=self._scored,
            skipped=self._skipped,
            unreadable=self._unreadable,
            reconnects=self._reconnects,
            timelines=self._timeline + 1,
            frames=self.reading.frames,
            stream_seconds=round(self._seconds + self._now, 3),
            wall_seconds=round(wall, 3),
            fps=round(self.reading.frames / wall, 2),
            latency=self._latencies.percentiles(),
        )


def build_class_numbers(cfg: CfgNode) -> tuple[str, ...]:
    """Names of the classes of a model that has none."""
    return tuple(f"class {k}" for k in range(cfg.MODEL.NUM_CLASSES))


_HANDLERS: dict[type, Callable[[Watcher, Any], Iterator[Line]]] = {
    Ready: Watcher._score,
    Due: Watcher._skip,
    Began: Watcher._begin,
    Over: Watcher._over,
    SourceChange: Watcher._change,
}
