"""The scores of one stream: its windows in the order of time, and when each was known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from timesformer.detection.rules import SegmentRules
from timesformer.detection.segments import Segmenter
from timesformer.errors import InputError


class StreamError(InputError, ValueError):
    """Scores of a stream that cannot be evaluated; the message names file, line, rule and remedy."""


class Announced(NamedTuple):
    """A class that was announced while the stream ran: a ``start`` event."""

    label: str
    start: float  # seconds: where the segment begins
    known_at: float  # seconds: the end of the window with which it was announced
    delay: float | None  # seconds of stream time from ``known_at`` to the announcement


@dataclass(frozen=True)
class Stream:
    """W windows that have scores, by rising end."""

    video: str  # name without folder and suffix
    origin: Path
    class_names: tuple[str, ...]
    windows: np.ndarray  # (W, 2) float64 start and end
    scores: np.ndarray  # (W, K) float32
    duration: float  # up to where the stream was read
    stride: float
    delays: np.ndarray | None = None  # (W,) seconds of stream time from the end to the score
    skipped: int = 0  # windows that the model had no time for
    unread: int = 0  # windows whose frames could not be read
    announced: tuple[Announced, ...] | None = None  # None: the file has no events
    withdrawn: int = 0  # announced classes that turned out to be too short

    def known(self, *, as_seen: bool) -> np.ndarray:
        """(W,) when each score, or a newer one, is known; rising.

        A score that comes after that of a later window was never the newest.
        """
        if not as_seen or self.delays is None:
            return self.windows[:, 1]
        times = self.windows[:, 1] + self.delays
        return np.asarray(np.minimum.accumulate(times[::-1])[::-1])

    def until(self, end: float) -> "Stream":
        """Only the windows that have ended at ``end``, and what was announced by then."""
        kept = self.windows[:, 1] <= end
        early = [each for each in self.announced or () if each.known_at <= end]
        return replace(
            self,
            windows=self.windows[kept],
            scores=self.scores[kept],
            delays=None if self.delays is None else self.delays[kept],
            announced=None if self.announced is None else tuple(early),
        )


def announce(stream: Stream, rules: SegmentRules) -> Stream:
    """``stream`` with the starts that ``rules`` announce, as a ``Segmenter`` that is fed its windows."""
    machine = Segmenter(stream.class_names, rules)
    events = []
    starts, ends = stream.windows.T.tolist()
    for start, end, scores in zip(starts, ends, stream.scores, strict=True):
        events += machine.feed(start, end, scores)
    events += machine.close()
    said = [event for event in events if event.kind == "start"]
    waited: Sequence[float | None] = [None] * len(said)
    if stream.delays is not None:
        known = [event.known_at for event in said]
        waited = stream.delays[np.searchsorted(stream.windows[:, 1], known)].tolist()
    return replace(
        stream,
        announced=tuple(
            Announced(event.label, event.start, event.known_at, delay)
            for event, delay in zip(said, waited, strict=True)
        ),
        withdrawn=sum(event.kind == "withdrawn" for event in events),
    )
