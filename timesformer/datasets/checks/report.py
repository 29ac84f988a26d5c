"""The result of a check: its summary, lines for a terminal, and report.csv."""

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from timesformer.datasets.checks.clip_advice import TOO_SHORT
from timesformer.datasets.checks.inspection import thumbnail_strip
from timesformer.datasets.checks.listing import Listing, Problem
from timesformer.datasets.checks.problems import MEANINGS, CheckReport, count_kinds
from timesformer.datasets.checks.scan import Scan
from timesformer.datasets.checks.worker_pool import Progress, map_with_timeout
from timesformer.files import write_atomically, write_error
from timesformer.io.spreadsheet import safe_row
from timesformer.tables import format_table

MOST_SHOWN = 20  # problems on the terminal; the reports have all
DETAIL_WIDTH = 90  # characters of a detail on the terminal


def reports_folder(given: Path | None, beside: Path, otherwise: Path | None) -> Path:
    """``given``, else ``beside`` the list, else ``otherwise`` if the folder of the list is read-only.

    Raises:
        WriteError: none of them can be made.
    """
    folders = [given] if given else [beside, *([otherwise] if otherwise else [])]
    refused = None
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            refused = error
            continue
        if os.access(folder, os.W_OK):
            return folder
        refused = OSError("permission denied, or read-only")
    raise write_error(
        folders[-1], refused or OSError(), option="pass another --out DIR:"
    ) from refused


def summarize(
    listings: list[Listing], done: Scan, report: CheckReport, num_classes: int | None
) -> list[tuple[str, str]]:
    """Names and values for the head of the reports."""
    rows = done.rows.values()
    hours = sum(row.frames / row.fps for row in rows if row.fps) / 3600
    size = sum(row.size for row in rows) / 1e9
    labels = report.histogram
    classes = f"{len(labels)}, labels {min(labels)} .. {max(labels)}"
    wanted = f"{report.suggested_classes} (suggested: the highest label + 1)"
    if num_classes is not None:
        wanted = f"{num_classes} (given); the highest label + 1 is {report.suggested_classes}"
    return [
        *((each.file.name, f"{len(each.entries)} videos") for each in listings),
        ("files", f"{len(done.rows)}: {done.scanned} scanned, {done.reused} known from the index"),
        ("material", f"{sum(row.frames for row in rows)} frames, {hours:.2f} h, {size:.2f} GB"),
        ("classes", classes),
        ("MODEL.NUM_CLASSES", wanted),
        ("problems", str(len(report.problems))),
    ]


def draw_strips(
    listings: list[Listing],
    done: Scan,
    most: int,
    *,
    workers: int,
    seconds: float,
    progress: Progress,
) -> dict[int, tuple[str, bytes]]:
    """Label -> video and JPEG strip, for the first ``most`` classes, of their first sound video."""
    chosen: dict[int, str] = {}
    for entry in (entry for each in listings for entry in each.entries):
        row = done.rows.get(entry.video)
        if row is not None and not row.problem:
            chosen.setdefault(entry.label, entry.video)
    chosen = dict(sorted(chosen.items())[:most])
    videos = list(dict.fromkeys(chosen.values()))
    results = map_with_timeout(thumbnail_strip, videos, workers=workers, seconds=seconds)
    images = {each.item: each.value for each in progress(results, len(videos))}
    return {label: (video, images[video]) for label, video in chosen.items() if images[video]}


def write_csv(path: Path, problems: list[Problem]) -> None:
    """One row a problem."""
    with write_atomically(path, newline="", option="--out") as file:
        writer = csv.writer(file)
        writer.writerow(["kind", "list", "line", "video", "label", "detail"])
        for kind, file_name, line, *rest in problems:
            writer.writerow(safe_row([kind, file_name, line or "", *rest]))


def report_lines(
    report: CheckReport, summary: list[tuple[str, str]], short: Sequence[str]
) -> Iterator[str]:
    """The summary, the kinds of problems, and the first of them; of short videos a line a list."""
    yield from format_table(summary, has_head=False).splitlines()
    if not report.problems:
        yield "\nno problems"
    named = [each for each in report.problems if each.kind != TOO_SHORT]
    yield from _kind_lines(named, report.problems)
    yield from _kind_lines(report.notes, report.notes)
    yield from short


def _kind_lines(named: Sequence[Problem], problems: Sequence[Problem]) -> Iterator[str]:
    """How many ``problems`` of each kind there are, and the first of those to be ``named``."""
    if problems:
        yield ""
    for kind, count in count_kinds(problems):
        yield f"{count:7d}  {kind}: {MEANINGS[kind]}"
    if named:
        yield ""
    for problem in named[:MOST_SHOWN]:
        where = f"{Path(problem.list_file).name}:{problem.line or ''}".rstrip(":")
        text = f"{where}  {problem.video}".rstrip()
        detail = problem.detail
        if len(detail) > DETAIL_WIDTH:
            detail = detail[: DETAIL_WIDTH - 3] + "..."
        yield f"{problem.kind}: {text}: {detail}"
    if len(named) > MOST_SHOWN:
        yield f"... and {len(named) - MOST_SHOWN} more in the reports"
