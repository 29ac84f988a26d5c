"""The result of ``timesformer check`` as one page: problems, class histogram, a strip of each class."""

import base64
from collections.abc import Sequence

from timesformer.datasets.checks.listing import Problem
from timesformer.datasets.checks.problems import MEANINGS, CheckReport, count_kinds
from timesformer.io.terminal import printable
from timesformer.visualize.page import render_page

COLUMNS = ("kind", "line", "video", "label", "detail")
MOST_PROBLEMS = 1000  # rows of the page; report.csv has all
MOST_CLASSES = 1000  # bars of the page


def render_data_check(
    report: CheckReport,
    summary: Sequence[tuple[str, str]],
    strips: dict[int, tuple[str, bytes]],
    names: Sequence[str] = (),
) -> str:
    """The page.

    Args:
        report: problems and class histogram.
        summary: names and values, shown on top.
        strips: label -> video and a JPEG file of some of its frames.
        names: of the classes, if they are known.
    """
    histogram = report.histogram
    splits = list(dict.fromkeys(split for counts in histogram.values() for split in counts))
    most = max(count for counts in histogram.values() for count in counts.values())
    classes = [
        (
            _name(label, names),
            [(counts.get(split, 0), 100 * counts.get(split, 0) / most) for split in splits],
        )
        for label, counts in list(histogram.items())[:MOST_CLASSES]
    ]
    return render_page(
        "data_check.html",
        title="Check of a data set",
        summary=summary,
        columns=COLUMNS,
        found=_part(report.problems),
        notes=_part(report.notes),
        splits=splits,
        classes=classes,
        classes_left=len(histogram) - len(classes),
        strips=[
            (_name(label, names), video, base64.b64encode(jpeg).decode("ascii"))
            for label, (video, jpeg) in strips.items()
        ],
        strips_left=len(histogram) - len(strips),
    )


def _part(problems: Sequence[Problem]) -> dict[str, object]:
    """Kinds with counts and meanings, and a row for each problem, as the template takes them."""
    rows = [
        (p.kind, f"{p.list_file}:{p.line}" if p.line else p.list_file, p.video, p.label, p.detail)
        for p in problems[:MOST_PROBLEMS]
    ]
    kinds = [(kind, count, MEANINGS[kind]) for kind, count in count_kinds(problems)]
    return {"kinds": kinds, "rows": rows, "left": len(problems) - len(rows)}


def _name(label: int, names: Sequence[str]) -> str:
    return f"{label} {printable(names[label])}" if 0 <= label < len(names) else str(label)
