"""What a stream makes known, as values and as lines of JSON.

All times are seconds of the stream, counted from the first frame of its timeline. ``latency`` is in wall
seconds after a window was complete: after the packet had arrived that completes it.
"""

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np


@dataclass(frozen=True)
class Line:
    """What all of them are: ``kind`` and values."""

    kind: ClassVar[str]

    def line(self) -> dict[str, Any]:
        """The content of a line of JSON."""
        return {"kind": self.kind} | {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True)
class Window(Line):
    """A window with its scores, which are those of the same window of a recorded file.

    ``probability`` is None where the window could not be read. ``waiting``, ``decode`` and ``model`` are
    the parts of the latency, in seconds.
    """

    kind = "window"
    timeline: int
    start: float
    end: float
    label: str
    probability: float | None
    waiting: float
    decode: float
    model: float
    probabilities: np.ndarray = field(repr=False)  # (K,) float32; nan: could not be read

    @property
    def latency(self) -> float:
        """Seconds from the window being complete to its scores."""
        return self.waiting + self.decode + self.model

    def line(self, *, with_probabilities: bool = False) -> dict[str, Any]:
        """As of any; with the probabilities of all classes on demand."""
        values = super().line() | {"latency": self.latency}
        found = values.pop("probabilities").tolist()
        if with_probabilities and self.probability is not None:
            values["probabilities"] = found
        for name in ("waiting", "decode", "model", "latency"):
            values[name] = round(values[name], 6)
        return values


@dataclass(frozen=True)
class Skipped(Line):
    """A window that came while the model was busy with others."""

    kind = "skipped"
    timeline: int
    start: float
    end: float


@dataclass(frozen=True)
class NewTimeline(Line):
    """Time has begun anew: windows after it belong to timeline ``number``."""

    kind = "timeline"
    number: int
    reason: str
    wall_time: str  # ISO 8601


@dataclass(frozen=True)
class Action(Line):
    """A class begins, has ended, or was withdrawn: see ``segments.Event``."""

    kind: str  # type: ignore[misc]
    timeline: int
    label: str
    start: float
    end: float | None
    score: float
    known_at: float
    latency: float

    def line(self) -> dict[str, Any]:
        """As of any."""
        return super().line() | {"latency": round(self.latency, 6)}


@dataclass(frozen=True)
class SourceChange(Line):
    """``what`` is ``lost``, ``reconnected``, ``stalled``, ``changed`` or ``behind``."""

    kind = "source"
    what: str
    reason: str
    at: float | None = None
    retry_in: float | None = None


@dataclass(frozen=True)
class Summary(Line):
    """All figures of a stream; ``due`` is ``scored`` and ``skipped`` together."""

    kind = "summary"
    due: int
    scored: int
    skipped: int
    unreadable: int  # scored windows
    reconnects: int
    timelines: int
    frames: int
    stream_seconds: float
    wall_seconds: float
    fps: float  # frames that have arrived in a second
    latency: dict[str, dict[str, float]]  # of each part: p50, p95, p99, max
