"""Reports as text, for the terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from timesformer.io.terminal import printable
from timesformer.tables import format_table

TITLES = {
    "top1": "top-1",
    "top5": "top-5",
    "mean_class": "mean of classes",
    "macro_f1": "macro F1",
    "map": "mAP",
    "chance": "chance",
    "majority": "commonest class",
}
SHOWN = 5  # confused pairs


def report_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The head of a report, and what is confused most."""
    videos, groups = report["videos"], report["groups"]
    yield f"{printable(report['run']['name'])}: {_counted(videos)}"
    if report["run"]["limited"]:
        yield f"LIMITED to {printable(report['run']['limited'])}: the accuracy is of a part of the list"
    if not report["run"].get("has_paths", True):
        yield "the file names no videos: they are called row 0, row 1, ..."
    if groups["by"]:
        yield f"intervals respect {groups['count']} groups by {printable(groups['by'])}"
    yield ""
    yield accuracy_table(report["accuracy"])
    calibrated = report["calibration"]
    if calibrated:
        yield ""
        yield _calibration_line("calibration", calibrated)
        if after := calibrated["temperature"]:
            yield _calibration_line(f"temperature {after['value']:.3f}", after)
    if report["confused_pairs"]:
        yield ""
        yield format_table(
            [("label", "taken for", "videos", "of the class")]
            + [
                (p["true_name"], p["predicted_name"], p["videos"], f"{p['share']:.0f} %")
                for p in report["confused_pairs"][:SHOWN]
            ],
            right={2, 3},
        )


def _counted(videos: Mapping[str, int]) -> str:
    parts = [f"{videos['scored']} of {videos['total']} videos scored"]
    parts += [f"{videos['unreadable']} unreadable"] * bool(videos["unreadable"])
    parts += [f"{videos['left_out']} left out"] * bool(videos["left_out"])
    return ", ".join(parts)


def accuracy_table(accuracy: Mapping[str, Any]) -> str:
    """A row for each figure, with its interval."""
    rows = [("", "%", "95 % interval", "")]
    for name, found in accuracy.items():
        interval, method = found.get("interval"), found.get("method", "")
        limits = f"{interval[0]:.2f} .. {interval[1]:.2f}" if interval else ""
        value = "-" if found["value"] is None else f"{found['value']:.2f}"
        rows.append((TITLES[name], value, limits, method))
    return format_table(rows, right={1})


def _calibration_line(name: str, found: Mapping[str, Any]) -> str:
    return (
        f"{name}: expected calibration error {found['ece']:.4f}, log likelihood "
        f"{found['log_likelihood']:.4f}, Brier {found['brier']:.4f}"
    )


def comparison_lines(comparison: Mapping[str, Any]) -> Iterator[str]:
    """Differences of all pairs, and what they mean."""
    several = len(comparison["pairs"]) > 1
    head = [
        "A",
        "B",
        "A - B",
        "95 % interval",
        "p",
        *["p (Holm)"] * several,
        "McNemar p",
        "only A",
        "only B",
    ]
    rows: list[list[str]] = [head]
    for pair in comparison["pairs"]:
        low, high = pair["interval"]
        rows.append(
            [
                pair["a"],
                pair["b"],
                f"{pair['difference']:+.2f}",
                f"{low:+.2f} .. {high:+.2f}",
                _p(pair["p"]),
                *[_p(pair["p_holm"])] * several,
                _p(pair["mcnemar_p"]),
                *(
                    str(pair[name]) if pair[name] is not None else "-"
                    for name in ("only_a", "only_b")
                ),
            ]
        )
    yield format_table(rows, right={2})
    for pair in comparison["pairs"]:
        yield printable(pair["verdict"])
    for found in (comparison["seeds"] or {}).get("configurations", ()):
        low, high = found["interval"]
        yield (
            f"{len(found['runs'])} seeds ({', '.join(map(printable, found['runs']))}): mean "
            f"{found['mean']:.2f} %, standard deviation {found['spread']:.2f}, interval of the mean "
            f"{low:.2f} .. {high:.2f}"
        )
    for found in (comparison["seeds"] or {}).get("tests", ()):
        yield (
            f"{found['test']}: {printable(found['a'])} - {printable(found['b'])} "
            f"{found['difference']:+.2f} points, p {_p(found['p'])}"
        )


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if value else "<1e-300"  # too small for a float
