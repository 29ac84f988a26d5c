"""The files of clusters: index.html, a page with frames of the videos; clusters.csv; clusters.json."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from timesformer.evaluation.report.output import PAGE, write_json
from timesformer.files import write_atomically
from timesformer.io.spreadsheet import safe_row

NUMBERS, TABLE = "clusters.json", "clusters.csv"
COLUMNS = ("path", "label", "name", "start", "end", "distance")


def write_clusters(folder: Path, report: Mapping[str, Any], *, with_frames: bool) -> Path:
    """Write all files into ``folder``, which is made; returns the page.

    Args:
        folder: of the files.
        report: see ``cluster_report``, with ``settings``, a text.
        with_frames: show frames of the videos that can be read.

    Raises:
        WriteError: a file cannot be written.
    """
    from timesformer.visualize.cluster_page import render_clusters

    write_json(folder / NUMBERS, report)
    with write_atomically(folder / TABLE, newline="", option="--out") as file:
        writer = csv.writer(file)
        writer.writerow(["cluster", *COLUMNS])
        for cluster in report["clusters"]:
            for member in cluster["members"]:
                cells = ["" if member[name] is None else member[name] for name in COLUMNS]
                writer.writerow(safe_row([cluster["cluster"], *cells]))
    page = render_clusters(report, _frames(report) if with_frames else {})
    with write_atomically(folder / PAGE, option="--out") as file:
        file.write(page)
    return folder / PAGE


def _frames(report: Mapping[str, Any]) -> Mapping[str, Sequence[bytes]]:
    """Pictures of the videos that the page shows, by the names of ``shown_members``."""
    from timesformer.datasets.checks.scan import default_workers
    from timesformer.visualize.cluster_page import shown_members
    from timesformer.visualize.gallery import shown_videos
    from timesformer.visualize.thumbnails import gallery_frames

    gallery = {"gallery": shown_members(report)}
    sources = {each["path"]: each["source"] for c in gallery["gallery"].values() for each in c}
    return gallery_frames(shown_videos(gallery), sources=sources, workers=default_workers())
