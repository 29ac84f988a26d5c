"""Test results and facts of runs, side by side as text."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from timesformer.errors import InputError
from timesformer.files import RESULTS, RUN_RECORD
from timesformer.tables import format_table

FACTS = ("run", "status", "starts", "time", "clips/s", "GiB", "best validation", "device", "code")
COLUMNS = ("run", "attention", "top-1 %", "top-5 %", "scored", "unreadable", "seconds")


class ResultError(InputError, ValueError):
    """A folder without the result of a test."""


def result_table(folders: Sequence[Path]) -> str:
    """A row a run.

    Raises:
        ResultError: a folder holds no readable result.
    """
    return format_table([COLUMNS, *map(summary, folders)])


def fact_table(folders: Sequence[Path]) -> str:
    """A row a run that has a ``run.json``; empty if none has."""
    facts = [found for folder in folders if (found := read_facts(folder))]
    return format_table([FACTS, *facts]) if facts else ""


def summary(folder: Path) -> tuple[str, ...]:
    """The row of one run.

    Raises:
        ResultError: the folder holds no readable result.
    """
    path = folder / RESULTS
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        scores: tuple[str, ...]
        if "map" in found:  # several labels a video
            scores = (f"map {_number(found['map'], '.4f')}", "-")
        else:
            scores = tuple(_number(found[name], ".2f") for name in ("top1_acc", "top5_acc"))
        return (
            folder.name,
            found["attention_type"],
            *scores,
            f"{found['scored']}/{found['videos']}" + " LIMITED" * ("limited" in found),
            str(found["unreadable"]),
            f"{found['seconds']:.1f}",
        )
    except FileNotFoundError:
        raise ResultError(f"{path} does not exist; test into this OUTPUT_DIR first") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultError(f"{path} is not the result of a test: {error!r}; test again") from error


def _number(value: float | None, form: str) -> str:
    """A figure, or what a test has without one."""
    return "none" if value is None else format(value, form)


def read_facts(folder: Path) -> tuple[str, ...]:
    """How one run ran, of its last start; nothing if it has no ``run.json``."""
    try:
        found = json.loads((folder / RUN_RECORD).read_text(encoding="utf-8"))
        last = found["sessions"][-1]
        best = found["result"].get("best_validation", {})
        trained = [s["clips_per_second"] for s in found["sessions"] if s.get("clips_per_second")]
        memory = last.get("peak_gpu_gib") or last.get("peak_ram_gib")
        return (
            folder.name,
            found["status"],
            str(len(found["sessions"])),
            str(timedelta(seconds=int(found["wall_seconds"]))),
            f"{trained[-1]:.1f}" if trained else "-",
            f"{memory:.1f}" if memory else "-",
            _score(best),
            f"{last['processes']} x {last['environment']['devices'][0]}",
            last["code"].get("commit", last["code"]["timesformer"])[:10],
        )
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return ()


def _score(validation: dict[str, float]) -> str:
    """``81.25 % at epoch 3``, or the mean average precision."""
    if "top1_err" in validation:
        score = f"{100 - validation['top1_err']:.2f} %"
    elif "map" in validation:
        score = f"map {validation['map']:.4f}"
    else:
        return "-"
    return f"{score} at epoch {validation['epoch']}"
