"""What ``timesformer detect`` leaves of each video, and of all of them.

NAME.json        ActivityNet's results, with model and rules
NAME.csv         video, label, score, start, end
NAME.srt .vtt    subtitles
NAME.scores.npz  probabilities of every window
NAME.png         curves and segments over time
NAME.html        the same as a page on which the video plays
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from timesformer.config import portable
from timesformer.detection.results import Detection, write_csv, write_results
from timesformer.detection.rules import SegmentRules
from timesformer.detection.segments import find_segments
from timesformer.detection.subtitles import write_srt, write_vtt
from timesformer.detection.timeline import Timeline
from timesformer.files import write_atomically
from timesformer.video.sources import is_local_file

SCORES = ".scores.npz"


def segments_of(timeline: Timeline, rules: SegmentRules) -> list[Detection]:
    """The segments of a whole video."""
    return find_segments(
        timeline.windows[:, 0],
        timeline.windows[:, 1],
        timeline.probabilities,
        timeline.class_names,
        rules,
        duration=timeline.duration,
    )


def write_files(
    folder: Path,
    name: str,
    timeline: Timeline,
    segments: Sequence[Detection],
    rules: SegmentRules,
    facts: Mapping[str, Any],
) -> None:
    """Write all files of one video but its page.

    Args:
        folder: made if it does not exist.
        name: of the video without suffix.
        timeline: its scores.
        segments: see ``segments_of``.
        rules: by which they were found.
        facts: about model and grid, for the JSON.

    Raises:
        WriteError: a file cannot be written.
    """
    results = {name: segments}
    external = dict(facts) | {
        "duration": timeline.duration,
        "gaps": [gap._asdict() for gap in timeline.gaps],
        "remarks": [f"{remark.kind}: {remark.detail}" for remark in timeline.remarks],
    }
    write_results(folder / f"{name}.json", results, external_data=external)
    write_csv(folder / f"{name}.csv", results)
    write_srt(folder / f"{name}.srt", segments)
    write_vtt(folder / f"{name}.vtt", segments)
    timeline.save(folder / f"{name}{SCORES}")
    _draw(folder / f"{name}.png", timeline, segments, rules)


def write_page(
    folder: Path,
    name: str,
    timeline: Timeline,
    segments: Sequence[Detection],
    facts: Mapping[str, Any],
) -> Path:
    """Write NAME.html, on which the video plays, see ``write_files``; returns it."""
    from timesformer.visualize.detection_page import Shown, render_detection

    local = is_local_file(timeline.video) and portable(timeline.video).is_file()
    text = render_detection(
        name,
        timeline.windows.mean(axis=1),
        timeline.probabilities,
        timeline.class_names,
        [Shown(row.label, row.start, row.end, row.score) for row in segments],
        duration=timeline.duration,
        film=os.path.relpath(portable(timeline.video), folder) if local else None,
        gaps=[gap._asdict() for gap in timeline.gaps],
        facts=facts,
    )
    with write_atomically(folder / f"{name}.html", option="--out") as file:
        file.write(text)
    return folder / f"{name}.html"


def _draw(
    path: Path, timeline: Timeline, segments: Sequence[Detection], rules: SegmentRules
) -> None:
    from timesformer.visualize.figure_style import png_bytes
    from timesformer.visualize.timeline_figure import draw_timeline

    figure = draw_timeline(
        timeline.windows.mean(axis=1),
        timeline.probabilities,
        timeline.class_names,
        [(row.label, row.start, row.end) for row in segments],
        duration=timeline.duration,
        gaps=[(gap.start, gap.end) for gap in timeline.gaps],
        onset=rules.onset,
    )
    with write_atomically(path, "wb", option="--out") as file:
        file.write(png_bytes(figure))
