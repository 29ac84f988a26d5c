"""Which videos a page shows frames of, and how many frames fit into it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

MOST_FRAME_BYTES = 3_400_000  # of all frames of a page; base64 makes 4.5 MB of them
MOST_FLIPS = 160  # videos of the flips of all pairs of a comparison
Json = Mapping[str, Any]
Span = tuple[float, float]  # seconds


class Shown(NamedTuple):
    """The frames of a page: JPEG files of each path, and how many videos have none."""

    frames: dict[str, Sequence[bytes]]
    missing: int
    per_video: int  # frames at most


def shown_videos(report: Json) -> dict[str, Span | None]:
    """The videos that the page of a report or comparison shows, and the seconds if they are known."""
    spans: dict[str, Span | None] = {}
    for path, item in _mentions(report):
        start, end = item.get("start"), item.get("end")
        spans[path] = spans.get(path) or (
            (start, end) if start is not None and end is not None else None
        )
    return spans


def fit_frames(report: Json, frames: Mapping[str, Sequence[bytes]]) -> Shown:
    """As many frames of each video as fit into MOST_FRAME_BYTES, the same number of all."""
    paths = [path for path, _ in _mentions(report)]  # a video that is shown twice counts twice
    most = max((len(found) for found in frames.values()), default=0)
    kept: dict[str, Sequence[bytes]] = {}
    for number in range(most, 0, -1):
        kept = {path: frames[path][:number] for path in dict.fromkeys(paths) if frames.get(path)}
        if sum(len(jpeg) for path in paths for jpeg in kept.get(path, ())) <= MOST_FRAME_BYTES:
            break
    else:
        number = 0
        kept = {}
    return Shown(kept, len(set(paths) - set(kept)), number)


def most_flips(comparison: Json) -> int:
    """How many videos of each side of a pair a page shows: the more pairs, the fewer."""
    return int(max(MOST_FLIPS // (2 * max(len(comparison["flips"]), 1)), 4))


def _mentions(report: Json) -> Iterator[tuple[str, Json]]:
    """Path and item of every place of a page that shows frames."""
    for pair in report.get("confused_pairs") or ():
        if pair.get("example"):
            yield pair["example"], pair
    for items in (report.get("gallery") or {}).values():
        yield from ((item["path"], item) for item in items)
    for flips in report.get("flips") or ():
        for side in ("only_a", "only_b"):
            shown = flips[side][: most_flips(report)]
            yield from ((item["path"], item) for item in shown)
