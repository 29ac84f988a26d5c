"""The result of a test, and the comparison of several, as pages: functions of report.json and frames."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from timesformer.io.json_text import json_text
from timesformer.io.terminal import printable
from timesformer.visualize.definitions import absent, definitions
from timesformer.visualize.figure_files import FIGURES, figure_names
from timesformer.visualize.figure_style import svg_text
from timesformer.visualize.gallery import fit_frames, most_flips
from timesformer.visualize.matrix_image import matrix_png
from timesformer.visualize.page import render_page
from timesformer.visualize.report_figures import METRICS, MOST_NAMED, class_score, ranked
from timesformer.visualize.schema import require_schema

MOST_IN_TABLE = 20  # classes of a confusion matrix with a number in each cell; more are a picture
FIRST_PAIRS = 8
FIRST_CARDS = 12  # of a gallery; the others follow in a part that can be opened
Json = Mapping[str, Any]
Frames = Mapping[str, Sequence[bytes]]  # path -> JPEG files of some frames


def render_report(report: Json, frames: Frames | None = None) -> str:
    """The page of one test.

    Args:
        report: as in report.json.
        frames: of the videos that are shown (``gallery.shown_videos``); a video without frames is
            shown by its name.

    Raises:
        SchemaError: the report is of another version.
    """
    require_schema(report, "report")
    confusion = np.asarray(report.get("confusion") or np.zeros((0, 0), int))
    order = report.get("confusion_order") or range(len(confusion))
    is_table = len(confusion) <= MOST_IN_TABLE
    return render_page(
        "report.html",
        title=f"Report on {report['run']['name'] or 'a run'}",
        report=report,
        figures=_figures(report, set(FIGURES) - _in_html(report)),
        shown=fit_frames(report, frames or {}),
        metrics=METRICS,
        warnings=list(_warnings(report)),
        classes=[
            *ranked(report["per_class"]),
            *(r for r in report["per_class"] if class_score(r) is None),
        ],
        score=class_score,
        counts=confusion,
        order=order,
        is_table=is_table,
        matrix_image=b"" if is_table else matrix_png(confusion, order),
        matrix_data=_script_json(_matrix(report["classes"]["names"], confusion, order)),
        marks=[
            report["accuracy"][name]["value"]
            for name in ("chance", "majority")
            if report["accuracy"].get(name)
        ],
        definitions=definitions(report),
        absent=absent(report),
        methods=_methods(report["accuracy"]),
        all_figures=figure_names(report),
        first=FIRST_CARDS,
        first_pairs=FIRST_PAIRS,
    )


def render_comparison(comparison: Json, frames: Frames | None = None) -> str:
    """The page of a comparison; frames and errors as of ``render_report``."""
    require_schema(comparison, "comparison")
    names = [run["name"] for run in comparison["runs"]]
    return render_page(
        "comparison.html",
        title=f"Comparison of {' and '.join(names) if len(names) < 3 else f'{len(names)} runs'}",
        comparison=comparison,
        metric=METRICS[comparison["metric"]],
        most=most_flips(comparison),
        figures=_figures(comparison, set(FIGURES)),
        shown=fit_frames(comparison, frames or {}),
        first=FIRST_CARDS,
    )


def _in_html(report: Json) -> set[str]:
    """The figures that a page has as tables or as a picture that is zoomed."""
    few = len(ranked(report["per_class"])) <= MOST_NAMED
    return {"accuracy", "confusion", *(["per_class"] if few else [])}


def _methods(accuracy: Json) -> dict[str, list[str]]:
    """How intervals were computed -> the metrics whose intervals were computed so."""
    methods: dict[str, list[str]] = {}
    for name, title in METRICS.items():
        if method := (accuracy.get(name) or {}).get("method"):
            methods.setdefault(method, []).append(title)
    return methods


def _figures(report: Json, wanted: set[str]) -> dict[str, Markup]:
    """The SVG of each figure of ``wanted`` that the report has the numbers for."""
    found = [name for name in figure_names(report) if name in wanted]
    return {name: Markup(svg_text(FIGURES[name].draw(report), name)) for name in found}


def _warnings(report: Json) -> Iterator[str]:
    """What a reader must know before any number."""
    run, videos, classes = report["run"], report["videos"], report["classes"]
    if run.get("limited"):
        yield f"LIMITED to {run['limited']}: the numbers are of a part of the list."
    if not run.get("has_paths", True):
        yield "The file names no videos: they are called by their rows, and have no frames."
    if videos["unreadable"]:
        yield (
            f"{videos['unreadable']:,} of {videos['total']:,} videos could not be read; the numbers are "
            f"those of the others. {_if_unreadable(report['accuracy'])}"
        )
    if classes["with_videos"] < classes["count"]:
        without = classes["count"] - classes["with_videos"]
        yield f"{without:,} of {classes['count']:,} classes have no video in this test."


def _if_unreadable(accuracy: Json) -> str:
    """What the metrics would be if all unreadable videos were wrong, and if all were right."""
    ranges = [
        f"{title} {found['if_unreadable_wrong']:.1f} to {found['if_unreadable_right']:.1f}"
        for name, title in METRICS.items()
        if (found := accuracy.get(name)) and found.get("if_unreadable_wrong") is not None
    ]
    return f"With these all wrong or all right: {', '.join(ranges)} %." if ranges else ""


def _matrix(names: Sequence[str], counts: np.ndarray, order: Sequence[int]) -> dict[str, Any]:
    """What the script draws: names, counts of each row as [column, count, ...], order."""
    rows = [[int(x) for k in np.flatnonzero(row) for x in (k, row[k])] for row in counts]
    return {"names": list(map(printable, names)), "rows": rows, "order": list(order)}


def _script_json(value: Any) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json_text(value, indent=None).replace("<", "\\u003c").replace(">", "\\u003e")
    return Markup(text.replace("&", "\\u0026"))
