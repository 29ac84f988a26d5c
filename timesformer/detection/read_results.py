"""Results files to detections: JSON, CSV, or all JSON of a folder; what is wrong is named."""

import csv
import gc
import io
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from timesformer.detection.results import (
    COLUMNS,
    LAYOUT,
    Detection,
    Detections,
    ResultsError,
    check_detections,
    detections_of,
)
from timesformer.io.spreadsheet import original
from timesformer.io.terminal import printable


def read_detections(path: Path) -> Detections:
    """The detections of a results file, JSON or CSV, or of all results files of a folder.

    Raises:
        ResultsError: there is none, it has another layout, or a score or segment is wrong.
    """
    if path.is_dir():
        return _of_folder(path)
    if path.suffix.lower() == ".csv":
        return detections_of(_read_csv(path), origin=printable(path))
    content = _load(path)
    if not _is_results(content):
        raise ResultsError(f'{printable(path)}: no entry "results"; results are {LAYOUT}')
    return _columns(path, [(path, content["results"])])


def _read_csv(path: Path) -> dict[str, list[Detection]]:
    text = _bytes(path).decode("utf-8-sig", errors="surrogateescape")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise ResultsError(
            f"{printable(path)}: no column {missing[0]} in its first line; it has {','.join(COLUMNS)}"
        )
    found: dict[str, list[Detection]] = {}
    for row in reader:
        try:
            numbers = [float(row[name]) for name in COLUMNS[2:]]
        except (TypeError, ValueError):
            raise ResultsError(
                f"{printable(path)}: line {reader.line_num} has no numbers for score, start and end"
            ) from None
        rows = found.setdefault(original(row["video"]), [])
        rows.append(Detection(original(row["label"]), *numbers))
    return found


def _of_folder(folder: Path) -> Detections:
    """Results files of ``folder``; JSON of other kinds, as of the run, is not meant."""
    contents = ((path, _load(path)) for path in sorted(folder.glob("*.json")))
    parts = [(path, content["results"]) for path, content in contents if _is_results(content)]
    if not parts:
        raise ResultsError(
            f"{printable(folder)}: no results in this folder; they are files NAME.json: {LAYOUT}"
        )
    return _columns(folder, parts)


def _is_results(content: Any) -> bool:
    return isinstance(content, dict) and isinstance(content.get("results"), dict)


def _load(path: Path) -> Any:
    content = _bytes(path)
    try:
        with _no_collection():
            return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{printable(path)} is not JSON: {printable(error)}") from error


def _bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ResultsError(f"{printable(path)}: no such file or folder") from None
    except OSError as error:
        raise ResultsError(f"{printable(path)} cannot be read: {error.strerror}") from error
    if not content.strip():
        raise ResultsError(f"{printable(path)} is empty; detect again")
    return content


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without Python's cycle collector, which makes a million small objects take twice as long."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _columns(origin: Path, parts: Sequence[tuple[Path, Mapping[str, Any]]]) -> Detections:
    where: dict[str, Path] = {}
    rows: dict[str, Any] = {}
    for path, results in parts:
        for name, found in results.items():
            if name in where:
                raise ResultsError(
                    f"{printable(path)}: {printable(name)} is in {printable(where[name])} too; remove one"
                )
            where[name], rows[name] = path, found
    try:
        flat = [row for found in rows.values() for row in found]
        places: dict[str, int] = {}
        label = [places.setdefault(row["label"], len(places)) for row in flat]
        scores = [row["score"] for row in flat]
        times = [row["segment"] for row in flat]
        kinds = {*map(type, scores), *map(type, itertools.chain.from_iterable(times))}
        if not kinds <= {int, float} or not {*map(type, places)} <= {str}:
            raise TypeError
        pairs = np.array(times, dtype=np.float64).reshape(-1, 2) if times else np.empty((0, 2))
        if len(pairs) != len(flat):
            raise ValueError
    except (TypeError, ValueError, KeyError, IndexError):
        raise _first_wrong(where, rows) from None
    found = Detections(
        tuple(rows),
        tuple(places),
        np.repeat(np.arange(len(rows)), [len(found) for found in rows.values()]),
        np.array(label, dtype=np.int64),
        np.array(scores, dtype=np.float64),
        pairs,
    )
    check_detections(found, printable(origin))
    return found


def _first_wrong(where: Mapping[str, Path], rows: Mapping[str, Any]) -> ResultsError:
    for name, found in rows.items():
        for row in found if isinstance(found, list) else [found]:
            if not isinstance(found, list) or not _is_detection(row):
                return ResultsError(
                    f"{printable(where[name])}: {printable(name)} has {printable(row)[:100]}, which is "
                    f"not a detection; results are {LAYOUT}"
                )
    return ResultsError(f"{printable(next(iter(where.values())))}: results are {LAYOUT}")


def _is_detection(row: Any) -> bool:
    def is_number(value: Any) -> bool:
        return type(value) in (int, float)

    if not isinstance(row, dict) or not isinstance(row.get("label"), str):
        return False
    times = row.get("segment")
    fits = isinstance(times, list) and len(times) == 2 and all(map(is_number, times))
    return fits and is_number(row.get("score"))
