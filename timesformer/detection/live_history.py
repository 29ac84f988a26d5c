"""What a page that opens now has to know of a stream: its last minutes, in bounded memory.

Lines are those of ``watch`` (JSON objects with ``kind``). They are numbered; a reader remembers the
number of its last line and asks for what came after. A reader that is too far behind starts again.
"""

import json
import math
from collections import deque
from collections.abc import Mapping, Sequence
from heapq import nlargest
from itertools import islice
from pathlib import PurePath
from typing import Any, NamedTuple

from timesformer.io.terminal import printable, without_password

SECONDS = 600.0  # of stream time that are kept
MOST_LINES = 12_000  # that are kept: 20 windows a second
MOST_OLDER = 200  # events that are kept when the windows around them are gone
LIKELIEST = 5  # classes that are kept of each window, and
LEAST_PROBABILITY = 0.005  # those above it, which is a pixel of the curves,
MOST_CLASSES = 40  # up to this many
LONGEST_GAP = 30.0  # seconds on the time axis between two timelines
_DISCARDED = ("window", "skipped")  # lines that are of no use once they are too old to be drawn


class Batch(NamedTuple):
    """Lines as JSON texts, in order; ``restart``: they begin anew, and what came before is void."""

    lines: tuple[str, ...]
    number: int  # of the last line
    restart: bool


class _Kept(NamedTuple):
    number: int
    edge: float  # seconds on the time axis when the line came
    kind: str
    text: str


class LiveHistory:
    """The newest lines of a stream. Not for several threads at once."""

    def __init__(self) -> None:
        self.scored = self.skipped = 0  # windows since the beginning
        self.stream: _Kept | None = None
        self.title = ""  # short name of the source
        self.class_names: list[str] = []
        self._number = -1
        self._lines: deque[_Kept] = deque()
        self._older: deque[_Kept] = deque(maxlen=MOST_OLDER)
        self._running: dict[str, _Kept] = {}  # announced classes without an end
        self._timeline = 0
        self._offset = 0.0  # of the timeline on the time axis
        self._edge = 0.0
        self._last = math.nan  # wall clock of the newest window

    def __len__(self) -> int:
        return len(self._lines) + len(self._older) + len(self._running)

    def add(self, line: Mapping[str, Any], *, received: float) -> None:
        """Keep ``line``, which came at ``received`` (seconds of the wall clock)."""
        kind = line["kind"]
        shown = self._compact(line) if kind == "window" else dict(line)
        if kind == "stream":
            self.class_names = [printable(name) for name in line["class_names"]]
            self.title = shown["title"] = _title(_shown(line["source"]))
        shown["received"] = round(received, 3)
        if kind == "timeline":
            self._begin_timeline(line["number"], received)
            shown["offset"] = self._offset
        elif kind in _DISCARDED:
            self._advance(line, received)
        self._number += 1
        kept = _Kept(self._number, self._edge, kind, _json(shown))
        if kind == "stream":
            self.stream = kept
        elif kind == "start":
            self._running[line["label"]] = kept
        elif kind in ("end", "withdrawn"):
            self._running.pop(line["label"], None)
        self._lines.append(kept)
        self._forget()

    def has_after(self, number: int | None) -> bool:
        """Whether a reader whose last line is ``number`` (None: has none) lacks a line."""
        return self._number > (-1 if number is None else number)

    def after(self, number: int | None, *, most: int) -> Batch:
        """The lines after ``number``, at most ``most`` of the newest ones; all that is kept for None."""
        if self._lines and (number is None or number < self._lines[0].number - 1):
            lines = self._old() + list(islice(self._lines, most))
            return Batch(tuple(line.text for line in lines), lines[-1].number, True)
        if number is None:
            return Batch((), -1, True)
        first = len(self._lines) - (self._number - number)
        new = tuple(line.text for line in islice(self._lines, first, first + most))
        return Batch(new, number + len(new), False)

    def _compact(self, line: Mapping[str, Any]) -> dict[str, Any]:
        """A window without the classes that nobody can see; ``k`` and ``p``: classes and probabilities."""
        best = _best_classes(line.get("probabilities"))
        if not best and line["probability"] is not None:
            label = printable(line["label"])
            if label in self.class_names:
                best = [(line["probability"], self.class_names.index(label))]
        names = ("kind", "timeline", "start", "end", "probability", "latency")
        compact = {name: line[name] for name in names}
        return compact | {"k": [k for _, k in best], "p": [round(float(p), 4) for p, _ in best]}

    def _begin_timeline(self, number: int, received: float) -> None:
        waited = received - self._last if math.isfinite(self._last) else 0.0
        self._offset = round(self._edge + min(max(waited, 1.0), LONGEST_GAP), 3)
        self._timeline = number
        self._running.clear()

    def _advance(self, line: Mapping[str, Any], received: float) -> None:
        self.scored += line["kind"] == "window"
        self.skipped += line["kind"] == "skipped"
        self._last = received
        if line["timeline"] == self._timeline:
            self._edge = max(self._edge, self._offset + line["end"])

    def _forget(self) -> None:
        while len(self._lines) > MOST_LINES or self._lines[0].edge < self._edge - SECONDS:
            line = self._lines.popleft()
            if line.kind not in (*_DISCARDED, "stream"):
                self._older.append(line)

    def _old(self) -> list[_Kept]:
        """Lines of before those that are kept whole: the stream, events, classes that still run."""
        first = self._lines[0].number
        stream = [] if self.stream is None else [self.stream]
        each = {line.number: line for line in (*stream, *self._older, *self._running.values())}
        return [each[number] for number in sorted(each) if number < first]


def _best_classes(probabilities: Sequence[float] | None) -> list[tuple[float, int]]:
    """The likeliest classes as (probability, class), the likeliest first; none if one is not finite."""
    if probabilities is None or not all(map(math.isfinite, probabilities)):
        return []
    best = nlargest(MOST_CLASSES, zip(probabilities, range(len(probabilities)), strict=True))
    return [pair for i, pair in enumerate(best) if i < LIKELIEST or pair[0] >= LEAST_PROBABILITY]


def _shown(value: Any) -> Any:
    """``value`` for a page: texts are printable and without passwords of addresses; nan is null."""
    if isinstance(value, str):
        return without_password(printable(value))
    if isinstance(value, Mapping):
        return {name: _shown(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shown(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _title(source: str) -> str:
    """The name of a file without its folder; addresses and devices whole."""
    path = PurePath(source)
    return path.name if path.suffix and "://" not in source else source


def _json(line: Mapping[str, Any]) -> str:
    return json.dumps(_shown(line), separators=(",", ":"), default=float)
