"""Which clip length suits the videos of lists, and how many are too short for the configured one."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from timesformer.datasets.checks.listing import Listing, Problem
from timesformer.datasets.durations import fit_clips, fitting_rate
from timesformer.datasets.scan_index import UNREADABLE, ScanRow, row_seconds
from timesformer.video.sampling import ClipShape

if TYPE_CHECKING:
    from timesformer.datasets.checks.listing import ListedVideo

PUBLISHED = ClipShape(num_frames=8, rate=32, target_fps=30)  # TimeSformer_divST_8x32_224
TOO_SHORT = "too short"


def clip_advice(
    listings: Sequence[Listing],
    rows: dict[str, ScanRow],
    shape: ClipShape | None,
    *,
    is_configured: bool,
) -> list[tuple[str, str]]:
    """Name and value of a line of the summary; none without known lengths, or for SSv2 sampling.

    The longest clip is that of ``shape``; the videos are those of the training list, or of all lists if
    there is none.
    """
    training = [each for each in listings if each.file.stem == "train"] or listings
    seconds = [_seconds(entry, rows) for each in training for entry in each.entries]
    known = np.array([each for each in seconds if each is not None])
    if shape is None or not len(known):
        return []
    rate = fitting_rate(known, shape)
    frames = f" for DATA.NUM_FRAMES {shape.num_frames}" if not is_configured else ""
    return [("clip length", f"DATA.SAMPLING_RATE {rate}{frames}: "
             f"{fit_clips(known, shape._replace(rate=rate))}")]  # fmt: skip


def short_lines(
    problems: Sequence[Problem], listings: Sequence[Listing], shape: ClipShape | None
) -> Iterator[str]:
    """A line for each list with videos that are shorter than a clip."""
    clip = f"a clip of {shape.seconds:.1f} s" if shape else "a clip"
    counts = Counter(problem.list_file for problem in problems if problem.kind == TOO_SHORT)
    for each in listings:
        if count := counts[str(each.file)]:
            total = len(each.entries)
            yield f"{TOO_SHORT}: {count} of {total} videos of {each.file.name} are shorter than {clip}"


def _seconds(entry: "ListedVideo", rows: dict[str, ScanRow]) -> float | None:
    row = rows.get(entry.video)
    if row is None or row.problem in UNREADABLE:
        return None
    start, end = np.nan_to_num(entry.part[0], nan=0.0), np.nan_to_num(entry.part[1], nan=np.inf)
    return float(max(min(end, row_seconds(row)) - start, 0.0))
