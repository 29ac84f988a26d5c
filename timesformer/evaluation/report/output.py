"""The files of a report and of a comparison: JSON, CSV, figures, and the page.

report/index.html   report.json   per_class.csv   figures/NAME.png   figures/NAME.csv
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from timesformer.evaluation.report.predictions import Predictions
from timesformer.files import write_atomically
from timesformer.io.json_text import json_text
from timesformer.io.spreadsheet import safe_row
from timesformer.io.terminal import hides_bars

PAGE, REPORT, COMPARISON, CLASSES = "index.html", "report.json", "compare.json", "per_class.csv"
FIGURES = "figures"


def write_report(
    folder: Path, report: Mapping[str, Any], runs: Sequence[Predictions], *, with_frames: bool
) -> Path:
    """Write all files of a report into ``folder``; returns the page.

    Args:
        folder: made if it does not exist.
        report: see ``build_report``.
        runs: where the videos of the page are.
        with_frames: show frames of the videos that can be read.

    Raises:
        WriteError: a file cannot be written.
    """
    from timesformer.visualize.report_page import render_report

    write_json(folder / REPORT, report)
    _write_classes(folder / CLASSES, report["per_class"])
    return write_page(folder, report, render_report(report, _frames(report, runs, with_frames)))


def write_comparison(
    folder: Path, comparison: Mapping[str, Any], runs: Sequence[Predictions], *, with_frames: bool
) -> Path:
    """Write all files of a comparison into ``folder``, see ``write_report``."""
    from timesformer.visualize.report_page import render_comparison

    write_json(folder / COMPARISON, comparison)
    text = render_comparison(comparison, _frames(comparison, runs, with_frames))
    return write_page(folder, comparison, text)


def write_page(folder: Path, numbers: Mapping[str, Any], text: str) -> Path:
    """Write the page ``text`` and the figures of ``numbers``; returns the page."""
    from timesformer.visualize.figure_files import write_figures

    write_figures(folder / FIGURES, numbers)
    with write_atomically(folder / PAGE, option="--out") as file:
        file.write(text)
    return folder / PAGE


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """One line for each entry, so that a matrix of 400 classes does not become 160,000 lines."""
    entries = (
        f"{json_text(name)}: {json_text(entry, indent=None)}" for name, entry in value.items()
    )
    with write_atomically(path, option="--out") as file:
        file.write("{\n" + ",\n".join(entries) + "\n}\n")


def _write_classes(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """A row for each class, its figures in columns."""
    flat = [_flat(row) for row in rows]
    with write_atomically(path, newline="", option="--out") as file:
        writer = csv.writer(file)
        writer.writerow(flat[0])
        writer.writerows(safe_row(row.values()) for row in flat)


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A class as cells: low and high of its interval, the class that it is confused with."""
    low, high = row["interval"] or ("", "")
    cells: dict[str, Any] = {name: "" if value is None else value for name, value in row.items()}
    confused: Mapping[str, Any] = cells.pop("most_confused", None) or {}
    change: Mapping[str, Any] = cells.pop("change", None) or {}
    cells.pop("interval")
    return cells | {
        "low": low,
        "high": high,
        "most_confused": confused.get("name", ""),
        "most_confused_videos": confused.get("videos", ""),
        "change": change.get("accuracy", ""),
    }


def _frames(
    numbers: Mapping[str, Any], runs: Sequence[Predictions], wanted: bool
) -> Mapping[str, Sequence[bytes]]:
    """Pictures of the videos that the page names, as JPEG, by the name that it gives them."""
    if not wanted:
        return {}
    from tqdm import tqdm

    from timesformer.datasets.checks.scan import default_workers
    from timesformer.visualize.gallery import shown_videos
    from timesformer.visualize.thumbnails import gallery_frames

    def bar(items: Iterable[Any], total: int) -> Iterable[Any]:
        hidden = hides_bars() or not total
        shown = tqdm(items, total=total, desc="frames", unit="video", leave=False, disable=hidden)
        yield from shown

    return gallery_frames(
        shown_videos(numbers),
        sources={key: path for run in runs for key, path in zip(run.keys, run.paths, strict=True)},
        workers=default_workers(),
        progress=bar,
    )
