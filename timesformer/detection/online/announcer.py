"""When a beginning action is told: as soon as it has been seen for a while."""

from collections.abc import Container, Iterable

from timesformer.detection.segments import Event


class Announcer:
    """Holds ``start`` events back until the class has gone on for ``hold`` seconds, and still does.

    What ends before is told as a whole then, or, if it was too short for a segment, never. A class that
    is below ``offset`` now, but may be continued within ``min_off``, is not told yet.
    """

    def __init__(self, hold: float) -> None:
        self._hold = hold
        self._held: dict[str, Event] = {}

    def feed(self, events: Iterable[Event], now: float, *, active: Container[str]) -> list[Event]:
        """What is to be told at ``now``, seconds, by new ``events``; ``active``: classes that go on."""
        told: list[Event] = []
        for event in events:
            if event.kind == "start":
                self._held[event.label] = event
                continue
            held = self._held.pop(event.label, None)
            if held is not None and event.kind == "withdrawn":
                continue
            if held is not None:
                told.append(held._replace(known_at=event.known_at))
            told.append(event)
        due = [
            e.label
            for e in self._held.values()
            if now >= e.known_at + self._hold and (e.label in active or not self._hold)
        ]
        told += [self._held.pop(label)._replace(known_at=now) for label in due]
        return told
