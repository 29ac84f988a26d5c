"""What ``timesformer watch`` prints: lines of JSON, a live page, and warnings and a summary in words."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from timesformer.cli import model
from timesformer.io.json_text import json_text
from timesformer.io.terminal import printable

if TYPE_CHECKING:
    from timesformer.detection.online.items import Line, Summary


class Output:
    """Lines on the standard output, and on a live page if there is one."""

    def __init__(self, *, with_windows: bool, with_probabilities: bool, port: int | None) -> None:
        self.with_windows, self.with_probabilities = with_windows, with_probabilities
        self.port = port
        self.publish: Callable[[dict[str, Any]], None] = lambda line: None
        self.show: Callable[[Any], None] = lambda image: None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[None]:
        if self.port is None:
            yield
            return
        from timesformer.detection.live_page import LivePage
        from timesformer.detection.online.pictures import Pictures

        with LivePage(self.port) as page:
            model.tell(f"live page: {page.url}")
            self.publish, self.show = page.publish, Pictures(page.show)
            yield

    def __enter__(self) -> "Output":
        self._opening = self._opened()
        self._opening.__enter__()
        return self

    def __exit__(self, *error: Any) -> bool | None:
        return self._opening.__exit__(*error)

    def take(self, item: "Line") -> None:
        """Write an item; the summary in words, too."""
        from timesformer.detection.online.items import Summary, Window

        if isinstance(item, Window):
            self.publish(item.line(with_probabilities=True))
            self._print(item.line(with_probabilities=self.with_probabilities))
            return
        self.write(item.line())
        if isinstance(item, Summary):
            model.tell(in_words(item))

    def write(self, line: dict[str, Any]) -> None:
        """Write a line."""
        self.publish(line)
        self._print(line)

    def _print(self, line: dict[str, Any]) -> None:
        if self.with_windows or line["kind"] not in ("window", "skipped"):
            sys.stdout.write(json_text(line, indent=None) + "\n")
            sys.stdout.flush()


class Warnings:
    """Tells of changes of the source, and, once each time, of a latency above ``most`` seconds."""

    def __init__(self, most: float | None) -> None:
        self.most = most
        self.is_late = False

    def look(self, item: "Line") -> None:
        """Warn if ``item`` is a reason to."""
        from timesformer.detection.online.items import SourceChange, Window

        if isinstance(item, SourceChange):
            again = f"; connecting again in {item.retry_in:g} s" if item.retry_in else ""
            model.tell(f"{item.what}: {printable(item.reason)}{again}")
        if self.most is None or not isinstance(item, Window):
            return
        if item.latency > self.most and not self.is_late:
            model.tell(
                f"late: the window that ends at {item.end:.2f} s was known {item.latency:.2f} s after it "
                f"was complete, above --max-latency {self.most:g}; a longer --stride or --late skip helps"
            )
        self.is_late = item.latency > self.most


def in_words(found: "Summary") -> str:
    """The summary as lines for a person."""
    lines = [
        f"{found.stream_seconds:.1f} s of video in {found.wall_seconds:.1f} s: {found.due} windows due, "
        f"{found.scored} scored, {found.skipped} skipped; {found.frames} frames, {found.fps:.1f} a second"
    ]
    if found.unreadable:
        lines.append(f"{found.unreadable} of the windows could not be read")
    if found.reconnects:
        lines.append(f"connected again {found.reconnects} times, {found.timelines} timelines")
    for part, values in found.latency.items():
        shown = ", ".join(f"{name} {1000 * value:.1f}" for name, value in values.items())
        lines.append(f"latency in ms, {part}: {shown}")
    return "\n".join(lines)
