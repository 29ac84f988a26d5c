"""Figures of online scores as text, for the terminal; shares in percent."""

from collections.abc import Iterator, Mapping
from typing import Any

from timesformer.io.terminal import printable
from timesformer.tables import format_table

COLUMNS = {"stream_time": "in stream time", "as_seen": "as seen"}
POINTS = ("1", "5", "10")  # offsets in the table


def stream_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Counts, the metrics, the stages of the actions, and every class."""
    subset = f" of {printable(report['subset'])}" if report["subset"] else ""
    windows = report["windows"]
    yield (
        f"{_many(report['videos'], 'video')}{subset}, {_many(report['actions'], 'action')} of "
        f"{_many(len(report['per_class']), 'class', 'es')}, {report['seconds'] / 3600:.3g} hours, "
        f"{_many(windows['scored'], 'window')} ({windows['skipped']:,} skipped)"
    )
    views = {name: report[name] for name in COLUMNS if report[name]}
    yield ""
    rows = list(zip(*(map(list, metrics(report, view)) for view in views.values()), strict=True))
    table = [(row[0][0], *(cell[1] for cell in row), row[0][2]) for row in rows]
    head = ("metric", *(COLUMNS[name] for name in views), "")
    yield format_table([head, *table], right=range(1, 1 + len(views)))
    yield ""
    yield format_table(
        [
            ("stage of an action", "mAP %", "mcAP %"),
            *(
                (stage_name(stage), _percent(stage["mAP"]), _percent(stage["mcAP"]))
                for stage in report["stream_time"]["stages"]
            ),
        ],
        right={1, 2},
    )
    yield ""
    yield _class_table(report["per_class"])


def metrics(report: Mapping[str, Any], view: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, value and unit of the metrics of ``view``, one meaning of known in ``report``."""
    yield "per-frame mAP", _percent(view["per_frame_mAP"]), "%"
    yield "mcAP", _percent(view["mcAP"]), "%"
    yield "early detection, mAP", _percent(view["stages"][0]["mAP"]), "% of the first tenth"
    for offset in POINTS:
        yield f"point mAP, {offset} s", _percent(view["point_mAP"][offset]), "%"
    yield "point mAP, mean", _percent(view["average_point_mAP"]), "% of 1 to 10 s"
    found = view["detection"]
    allowed = report["false_alarms_per_hour"]
    rate = f"{allowed:g} false alarm{'s' * (allowed != 1)} an hour"
    yield "actions detected", _percent(found["detected"]), f"% with up to {rate}"
    yield "mean time to detection", _number(found["mean_seconds"]), "s"
    yield "median time to detection", _number(found["median_seconds"]), "s"
    yield "threshold for it", f"{found['threshold']:.4f}", ""
    if announced := view["announced"]:
        yield (
            "announced starts",
            f"{announced['starts']:,}",
            f"{announced['withdrawn']:,} withdrawn",
        )
        yield "false ones an hour", _number(announced["false_alarms_per_hour"]), ""
        yield "actions announced", _percent(announced["detected"]), "%"
        yield "mean time to announcement", _number(announced["mean_seconds"]), "s"
    yield "coverage", _percent(view["coverage"]), "% of the time"


def stage_name(stage: Mapping[str, Any]) -> str:
    """``0 to 10 %``."""
    return f"{round(100 * stage['from'])} to {round(100 * stage['to'])} %"


def _class_table(rows: list[Mapping[str, Any]]) -> str:
    head = ("class", "actions", "AP %", "cAP %", "early AP %", "detected %", "mean s", "false/h")
    cells = (
        (
            row["label"],
            f"{row['actions']:,}",
            *(_percent(row[name]) for name in ("per_frame_AP", "cAP", "early_AP", "detected")),
            _number(row["mean_seconds"]),
            _number(row["false_alarms_per_hour"]),
        )
        for row in rows
    )
    return format_table([head, *cells], right=range(1, len(head)))


def _percent(share: float) -> str:
    return _number(100 * share)


def _number(value: float) -> str:
    return "-" if value != value else f"{value:.2f}"  # nan


def _many(count: int, noun: str, ending: str = "s") -> str:
    return f"{count:,} {noun}{ending * (count != 1)}"
