"""What a tested run took: seconds of training and of the test, and memory; from the files that it left."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from timesformer.files import RESULTS, RUN_RECORD


class RunCosts(NamedTuple):
    """What training and testing took."""

    scored: int  # videos
    test_seconds: float
    training_seconds: float  # with the validations
    peak_ram_gib: float | None
    peak_gpu_gib: float | None  # None without a GPU


def read_costs(folder: Path) -> RunCosts:
    """The costs of a run that was tested. Later tests of the same weights do not count.

    Raises:
        KeyError: the results lack an entry.
        OSError, ValueError: they cannot be read.
    """
    found = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    record = folder / RUN_RECORD
    sessions = (
        json.loads(record.read_text(encoding="utf-8"))["sessions"] if record.is_file() else []
    )
    return RunCosts(
        scored=found["scored"],
        test_seconds=found["seconds"],
        training_seconds=training_seconds(sessions, found["seconds"]),
        peak_ram_gib=_highest(sessions, "peak_ram_gib"),
        peak_gpu_gib=_highest(sessions, "peak_gpu_gib"),
    )


def training_seconds(sessions: Sequence[Mapping[str, Any]], test_seconds: float) -> float:
    """Seconds of the sessions that trained, less those of a test that the last of them ran.

    A probe has no speed of training; then all sessions count.
    """
    trained = [session for session in sessions if session.get("clips_per_second")] or sessions
    seconds: float = sum(session.get("wall_seconds", 0.0) for session in trained)
    has_test = bool(trained) and "test" in trained[-1].get("tasks", ("test",))
    return max(seconds - test_seconds * has_test, 0.0)


def _highest(sessions: Sequence[Mapping[str, Any]], name: str) -> float | None:
    return max((session[name] for session in sessions if session.get(name)), default=None)
