"""What a run's folder says of its predictions besides them: protocol, weights, classes, validation."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from timesformer.config.strict_yaml import read_yaml
from timesformer.errors import InputError
from timesformer.files import CONFIG, RUN_RECORD, result_files
from timesformer.io.spreadsheet import original


@dataclass(frozen=True)
class RunRecord:
    """Facts of a test; None or empty is what the folder does not say."""

    folder: Path | None = None
    split: str = "test"
    results: dict[str, Any] | None = None  # test_results.json
    config: dict[str, Any] | None = None  # config.yaml, sections as dictionaries
    validation: dict[str, Any] | None = None  # the best one of run.json
    class_names: tuple[str, ...] = ()
    protocol: str = ""  # of TEST.PROTOCOLS, if not the configured one

    def result(self, name: str) -> Any:
        """An entry of the results."""
        return (self.results or {}).get(name)

    def key(self, name: str) -> Any:
        """The value of a configuration key, None if it is unknown."""
        found: Any = self.config or {}
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return found

    @property
    def is_multi_label(self) -> bool | None:
        """Whether videos have several labels, None if nothing says so."""
        if self.results:
            return "map" in self.results
        value = self.key("DATA.MULTI_LABEL")
        return value if isinstance(value, bool) else None

    @property
    def ensemble(self) -> str | None:
        """How views became a score: sum, max, softmax or sigmoid."""
        said = self.result("ensemble") or self.key("DATA.ENSEMBLE_METHOD")
        if said == "softmax" and self.is_multi_label:
            return "sigmoid"
        return said if isinstance(said, str) else None

    @property
    def num_views(self) -> int | None:
        """Clips of a video."""
        said = self.result("views")
        if isinstance(said, int):
            return said
        views = self.key("TEST.NUM_ENSEMBLE_VIEWS"), self.key("TEST.NUM_SPATIAL_CROPS")
        return views[0] * views[1] if all(isinstance(count, int) for count in views) else None


UNKNOWN = RunRecord()


def read_record(folder: Path, split: str = "test", protocol: str = "") -> RunRecord:
    """The record of ``folder``; files that are missing or of another program say nothing.

    ``protocol``: one of TEST.PROTOCOLS, which has results of its own.
    """
    files = result_files(split, protocol)
    record = _json(folder / RUN_RECORD)
    result = record.get("result") if isinstance(record.get("result"), dict) else {}
    best = (result or {}).get("best_validation")
    return RunRecord(
        folder,
        split,
        _json(folder / files.results) or None,
        _config(folder / CONFIG),
        best if isinstance(best, dict) else None,
        _class_names(folder / files.classes),
        protocol,
    )


def weights_differ(first: str, second: str, *, in_one_run: bool) -> bool:
    """Whether these are different weights; the folder of a run may have been moved between its tests."""
    if in_one_run:
        return PurePath(first).name != PurePath(second).name
    return first != second


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _config(path: Path) -> dict[str, Any] | None:
    try:
        found = read_yaml(path.read_text(encoding="utf-8"), source=str(path))
    except (OSError, ValueError, InputError):
        return None
    return dict(found) if isinstance(found, dict) else None


def _class_names(path: Path) -> tuple[str, ...]:
    """The column ``name`` in the order of the labels; none if a class has none."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = list(csv.DictReader(file))
        names = {int(row["label"]): original(row["name"] or "") for row in rows}
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return ()
    ordered = tuple(names.get(k, "") for k in range(len(names)))
    return ordered if all(ordered) else ()
