"""Online scores against annotations as a page: a function of the numbers of ``report.json``."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from timesformer.visualize.figure_files import FIGURES, figure_names
from timesformer.visualize.figure_style import svg_text
from timesformer.visualize.lanes import ticks
from timesformer.visualize.page import render_page

DEFINITIONS = (
    ("known", "The score of the newest window that has ended: in stream time at the end of its last "
     "frame; as seen also after the latency, times the speed of the stream. Until the next one it holds."),
    ("action", "Annotations of one class that overlap or touch are one action."),
    ("per-frame mAP", "Mean over the classes of AP over all moments, or the frames of --fps: scores from "
     "the highest on, equal ones together."),
    ("mcAP", "As per-frame mAP, with the precision tp / (tp + fp / w); w is the time without the class "
     "over the time with it."),
    ("stage", "AP of the moments in one tenth of every action, against all moments without the class."),
    ("point mAP", "A window in which a class becomes the likeliest is a start. It is right if an action "
     "of the class begins within the seconds, before or after, and is still free."),
    ("alarm", "A window in which the score of a class rises above the threshold, which all classes share. "
     "It finds the actions of its class that the window overlaps; it is false if there is none."),
    ("time to detection", "From the start of an action to the moment when the first alarm that finds "
     "it is known; of the actions that are detected. The threshold is the one that detects most, of those "
     "with few enough false alarms."),
    ("announced", "The starts that the stream said while it ran, or those of --rules."),
    ("coverage", "Share of the time in which the newest score is of a window that ended less than two "
     "strides ago. The first window takes its own length."),
)  # fmt: skip


def render_online_report(report: Mapping[str, Any]) -> str:
    """The page of ``report``, see ``detection.online_evaluation``; numbers that are not there are None."""
    return render_page(
        "online_report.html",
        title="Online detection against annotations",
        report=report,
        views=[report[name] for name in ("stream_time", "as_seen") if report[name]],
        figures={
            name: Markup(svg_text(FIGURES[name].draw(report), name))
            for name in figure_names(report)
        },
        rows=list(_rows(report)),
        classes=sorted(report["per_class"], key=lambda row: (row["detected"], row["label"])),
        videos=[_video(video) for video in report["slowest"]],
        definitions=DEFINITIONS,
    )


def _rows(report: Mapping[str, Any]) -> Iterator[tuple[str, list[float | None], str]]:
    """Name, a value for each view, and unit."""
    views = [report[name] for name in ("stream_time", "as_seen") if report[name]]

    def percent(*path: Any) -> list[float | None]:
        return [None if value is None else 100 * value for value in plain(*path)]

    def plain(*path: Any) -> list[Any]:
        return [_at(view, path) for view in views]

    yield "per-frame mAP", percent("per_frame_mAP"), "%"
    yield "mcAP", percent("mcAP"), "%"
    yield "first tenth of actions, mAP", percent("stages", 0, "mAP"), "%"
    yield "point mAP at 1 s", percent("point_mAP", "1"), "%"
    yield "point mAP, mean of 1 to 10 s", percent("average_point_mAP"), "%"
    yield "actions detected", percent("detection", "detected"), "%"
    yield "median time to detection", plain("detection", "median_seconds"), "s"
    if all(view["announced"] for view in views):
        yield "actions announced", percent("announced", "detected"), "%"
        yield "mean time to announcement", plain("announced", "mean_seconds"), "s"
        yield "false announcements an hour", plain("announced", "false_alarms_per_hour"), ""
    yield "coverage", percent("coverage"), "%"


def _at(value: Any, path: Sequence[Any]) -> Any:
    for key in path:
        value = value[key]
    return value


def _video(video: Mapping[str, Any]) -> dict[str, Any]:
    """A video with the places of its curves and bars, in percent of the width."""
    duration = max(video["duration"], 1e-9)
    return {
        **video,
        "ticks": ticks(duration),
        "lines": [
            {
                **line,
                "path": _path(line["scores"], duration),
                "bars": [_bar(action, duration) for action in line["actions"]],
            }
            for line in video["classes"]
        ],
    }


def _bar(action: Mapping[str, Any], duration: float) -> dict[str, Any]:
    seconds = action["seconds"]
    left, right = (min(100 * action[name] / duration, 100.0) for name in ("start", "end"))
    found = None if seconds is None else min(100 * (action["start"] + seconds) / duration, 100.0)
    return {
        **action,
        "left": round(left, 3),
        "width": round(right - left, 3),
        "found": None if found is None else round(found, 3),
    }


def _path(scores: Sequence[Sequence[float]], duration: float) -> str:
    """Steps in a square of 100 x 100: a score holds until the next one."""
    points = [
        (round(100 * second / duration, 3), round(100 * (1 - score), 2)) for second, score in scores
    ]
    if not points:
        return ""
    steps = "".join(f"H{x:g}V{y:g}" for x, y in points[1:])
    return f"M{points[0][0]:g} {points[0][1]:g}{steps}H100"
