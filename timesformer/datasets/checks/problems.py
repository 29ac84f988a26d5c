"""Entries and index rows to problems and counts; nothing here reads a file."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from math import isnan
from typing import NamedTuple

from timesformer.datasets.checks.duplicates import same_bytes, same_look
from timesformer.datasets.checks.listing import ListedVideo, Listing, Problem
from timesformer.datasets.scan_index import ScanRow
from timesformer.video.remarks import HDR, ROTATED, UNEVEN

SHOWN = 20  # labels in one message
KINDS = {  # kind of problem -> what it means, in order of weight
    "not a line": "a line that is not `path label`",
    "label out of range": "a label outside 0 .. NUM_CLASSES - 1",
    "missing": "no such file",
    "unreadable": "the file cannot be opened or holds no video",
    "zero frames": "not one frame can be decoded",
    "crashed": "the decoder crashed",
    "no answer": "the decoder did not end in time",
    "truncated": "fewer frames than header or packets promise",
    "damaged": "the decoder reports errors",
    "too short": "fewer frames than a clip",
    "listed twice": "the same file, or part of a file, again in the same list",
    "in two splits": "the same file in several lists",
    "same bytes": "a copy of another file in the same list",
    "same bytes across splits": "a copy of a file of another list",
    "looks the same": "a re-encoded copy in the same list, by what is seen",
    "looks the same across splits": "a re-encoded copy of a video of another list",
    "class missing": "classes without a video in this list",
}
NOTES = {  # kind of what is to know of a video that is used all the same -> what it means
    UNEVEN: "frames do not come at a constant rate; clips cover seconds, not a number of frames",
    ROTATED: "a player turns it; it is used as stored, unless DATA.APPLY_ROTATION is True",
    HDR: "coded for HDR screens (PQ, HLG); it is used as stored, and looks pale",
}
MEANINGS = KINDS | NOTES
Shortest = Callable[[float], int]  # frames a second -> frames that a clip spans


class CheckReport(NamedTuple):
    """The result of a check."""

    problems: list[Problem]  # of KINDS
    histogram: dict[int, dict[str, int]]  # label -> split -> videos
    suggested_classes: int  # the highest label + 1
    notes: Sequence[Problem] = ()  # of NOTES


def find_problems(
    listings: list[Listing],
    rows: dict[str, ScanRow],
    *,
    num_classes: int | None,
    shortest: Shortest,
) -> CheckReport:
    """Everything to say about the lists of one data set.

    Args:
        listings: its lists.
        rows: of the videos that exist.
        num_classes: labels are 0 .. num_classes - 1; None: those of the lists.
        shortest: frames that a video of some frame rate must have; fewer are too short.
    """
    entries = [(listing, entry) for listing in listings for entry in listing.entries]
    highest = max((max(labels_of(entry)) for _, entry in entries), default=-1)
    problems = [problem for listing in listings for problem in listing.problems]
    for listing, entry in entries:
        for kind, detail in _of_entry(entry, rows.get(entry.video), num_classes, shortest):
            problems.append(_problem(kind, listing, entry, detail))
    problems += _repetitions(entries, rows)
    histogram = count_classes([entry for _, entry in entries])
    for listing in listings:
        problems += _missing_classes(listing, num_classes or highest + 1)
    order = {kind: i for i, kind in enumerate(KINDS)}
    problems.sort(key=lambda problem: (order[problem.kind], problem.list_file, problem.line))
    return CheckReport(problems, histogram, highest + 1, _notes(entries, rows))


def count_kinds(problems: Sequence[Problem]) -> list[tuple[str, int]]:
    """How many problems of each kind there are, the gravest kind first."""
    counts = Counter(problem.kind for problem in problems)
    return [(kind, counts[kind]) for kind in MEANINGS if counts[kind]]


def count_classes(entries: list[ListedVideo]) -> dict[int, dict[str, int]]:
    """Videos of each label and split; labels ascending, splits as they come."""
    counts: dict[int, dict[str, int]] = {}
    labels = ((label, entry.split) for entry in entries for label in labels_of(entry))
    for (label, split), count in Counter(labels).items():
        counts.setdefault(label, {})[split] = count
    return dict(sorted(counts.items()))


def labels_of(entry: ListedVideo) -> tuple[int, ...]:
    """All labels of a line."""
    return (entry.label, *entry.more)


def _of_entry(
    entry: ListedVideo, row: ScanRow | None, num_classes: int | None, shortest: Shortest
) -> Iterator[tuple[str, str]]:
    """Kinds and details of what is wrong with one line."""
    for label in labels_of(entry):
        if label < 0 or (num_classes is not None and label >= num_classes):
            rule = "below 0" if num_classes is None else f"outside 0 .. {num_classes - 1}"
            yield "label out of range", f"label {label} is {rule}"
    if row is None:
        yield "missing", "no such file; correct the path or the prefix, or remove the line"
        return
    if row.problem:
        yield row.problem, row.detail
    needed = shortest(row.fps or 30.0)
    if 0 < row.frames < needed:
        yield (
            "too short",
            f"{row.frames} frames, a clip spans {needed}; its last frame will be repeated",
        )


def _notes(entries: list[tuple[Listing, ListedVideo]], rows: dict[str, ScanRow]) -> list[Problem]:
    """What is unusual about videos, by kind and in the order of the lists."""
    found = []
    for listing, entry in entries:
        row = rows.get(entry.video)
        for remark in row.remarks.split("; ") if row is not None and row.remarks else ():
            kind, _, detail = remark.partition(": ")
            found.append(_problem(kind, listing, entry, detail))
    order = {kind: i for i, kind in enumerate(NOTES)}
    return sorted(found, key=lambda note: order.get(note.kind, len(order)))


def _repetitions(
    entries: list[tuple[Listing, ListedVideo]], rows: dict[str, ScanRow]
) -> Iterator[Problem]:
    """Files listed more than once, copies of files, re-encoded copies.

    Different parts of one file may be in one list, but not in two: they show the same place.
    """
    first: dict[str, ListedVideo] = {}
    parts: dict[tuple[str, str, str], ListedVideo] = {}
    crossed: set[tuple[str, str]] = set()  # files whose parts are in another list too: said once
    copies, looks = (
        same_bytes(rows_in_order(entries, rows)),
        same_look(rows_in_order(entries, rows)),
    )
    for listing, entry in entries:
        before = first.setdefault(entry.video, entry)
        same = parts.setdefault((entry.split, entry.video, _part_key(before, entry)), entry)
        if before.split == entry.split and same is not entry:
            yield _problem("listed twice", listing, entry, f"also {_where(same, entry)}")
        if before.split != entry.split and (entry.split, entry.video) not in crossed:
            yield _problem("in two splits", listing, entry, f"also {_where(before, entry)}")
            crossed |= {(entry.split, entry.video)} if _is_part(entry) else set()
        for found, kind in ((copies, "same bytes"), (looks, "looks the same")):
            if before is entry and entry.video in found:
                other = first[found[entry.video]]
                across = "" if other.split == entry.split else " across splits"
                detail = f"as {other.video}, {_where(other, entry)}"
                yield _problem(kind + across, listing, entry, detail)


def _is_part(entry: ListedVideo) -> bool:
    return not all(map(isnan, entry.part))


def _part_key(before: ListedVideo, entry: ListedVideo) -> str:
    """The same for lines that show the same seconds; a line of the whole file shows all of them."""
    return str(entry.part) if _is_part(before) and _is_part(entry) else ""


def rows_in_order(
    entries: list[tuple[Listing, ListedVideo]], rows: dict[str, ScanRow]
) -> dict[str, ScanRow]:
    """``rows`` in the order of the lists, so that the first of two copies is the original."""
    return {entry.video: rows[entry.video] for _, entry in entries if entry.video in rows}


def _where(other: ListedVideo, entry: ListedVideo) -> str:
    differs = "" if other.label == entry.label else f", with label {other.label} there"
    return f"{other.split} line {other.line}{differs}"


def _missing_classes(listing: Listing, num_classes: int) -> Iterator[Problem]:
    missing = sorted(
        set(range(num_classes)) - {k for entry in listing.entries for k in labels_of(entry)}
    )
    if missing:
        shown = ", ".join(map(str, missing[:SHOWN])) + (", ..." if len(missing) > SHOWN else "")
        detail = f"{len(missing)} of {num_classes} classes have no video: {shown}"
        yield Problem("class missing", str(listing.file), 0, "", "", detail)


def _problem(kind: str, listing: Listing, entry: ListedVideo, detail: str) -> Problem:
    return Problem(kind, str(listing.file), entry.line, entry.video, str(entry.label), detail)
