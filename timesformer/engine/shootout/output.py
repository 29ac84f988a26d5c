"""The files of a shootout, and what the command prints: one table.

OUT/index.html   OUT/shootout.json   OUT/shootout.csv   OUT/figures/NAME.png, NAME.csv
"""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from timesformer.evaluation.report.output import write_json, write_page
from timesformer.files import write_atomically
from timesformer.io.spreadsheet import safe_row
from timesformer.io.terminal import printable
from timesformer.tables import format_table, seconds_text
from timesformer.visualize.shootout_figures import shown_names

NUMBERS, TABLE = "shootout.json", "shootout.csv"
HEAD = ("model", "top-1 %", "95 % interval", "to the best", "videos/s", "peak GiB", "training",
        "epochs", "parameters", "G mult-adds", "clip")  # fmt: skip
COLUMNS = ("name", "status", "top1", "low", "high", "to_the_best", "to_the_best_low",
           "to_the_best_high", "p_holm", "videos_per_second", "training_seconds", "peak_ram_gib",
           "peak_gpu_gib", "epochs", "parameters", "multiply_adds", "num_frames", "rate", "side",
           "starts_from", "reason")  # fmt: skip
Json = Mapping[str, Any]


def write_shootout(folder: Path, report: Json) -> Path:
    """Write all files; returns the page.

    Raises:
        WriteError: a file cannot be written.
    """
    from timesformer.visualize.shootout_page import render_shootout

    write_json(folder / NUMBERS, report)
    with write_atomically(folder / TABLE, newline="", option="--out") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(safe_row(_csv_row(model)) for model in report["models"])
    return write_page(folder, report, render_shootout(report))


def shootout_lines(report: Json) -> Iterator[str]:
    """The table, what the differences mean, and why models failed."""
    tested = [model for model in report["models"] if model["status"] == "tested"]
    groups = report["groups"]
    grouped = f" in {groups['count']} groups ({groups['by']})" if groups["by"] else ""
    yield (
        f"{report['videos']} videos{grouped} of {len(report['classes'])} classes, {report['folds']} "
        f"folds, {report['method']}, on {printable(report['device'])}"
    )
    if tested:
        yield ""
        shown = shown_names(model["name"] for model in tested)
        rows = [(shown[model["name"]], *_cells(model)) for model in tested]
        yield format_table([HEAD, *rows], right={1, 4, 5, 7, 9})
        chance, majority = (tested[0]["accuracy"][name]["value"] for name in ("chance", "majority"))
        yield f"\nchance: {chance:.1f} %, always the commonest class: {majority:.1f} %"
    for model in tested[1:]:
        yield printable(model["to_the_best"]["verdict"])
    for model in report["models"]:
        if model["status"] == "failed":
            yield f"{printable(model['name'])} failed: {printable(model['reason'])}"


def _cells(model: Json) -> tuple[str, ...]:
    """Of the columns after the name."""
    found, clip, other = model["accuracy"]["top1"], model["clip"], model["to_the_best"]
    memory, speed = peak_memory(model), model["videos_per_second"]
    work = model["multiply_adds"]
    return (
        f"{found['value']:.2f}",
        _limits(found["interval"], ".1f"),
        f"{other['difference']:+.2f} ({_limits(other['interval'], '+.1f')})"
        if other
        else "the best",
        "-" if speed is None else f"{speed:.2f}",
        "-" if memory is None else f"{memory:.2f}",
        seconds_text(model["training_seconds"]),
        str(model["epochs"]),
        f"{model['parameters'] / 1e6:.1f} M",
        "-" if work is None else f"{work / 1e9:.1f}",
        f"{clip['num_frames']} x {clip['side']}²",
    )


def peak_memory(model: Json) -> float | None:
    """GiB: of the GPU, where there is one."""
    found: float | None = model["peak_gpu_gib"] or model["peak_ram_gib"]
    return found


def _limits(interval: tuple[float, float], form: str) -> str:
    return " .. ".join(format(end, form) for end in interval)


def _csv_row(model: Json) -> list[Any]:
    found, other = (model["accuracy"] or {}).get("top1"), model["to_the_best"]
    flat = {
        **model,
        **model["clip"],
        "top1": found["value"] if found else None,
        "low": found["interval"][0] if found else None,
        "high": found["interval"][1] if found else None,
        "to_the_best": other["difference"] if other else None,
        "to_the_best_low": other["interval"][0] if other else None,
        "to_the_best_high": other["interval"][1] if other else None,
        "p_holm": other["p_holm"] if other else None,
    }
    return ["" if flat[name] is None else flat[name] for name in COLUMNS]
