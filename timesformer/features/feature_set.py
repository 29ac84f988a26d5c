"""Features of labelled videos, and the file of `timesformer features` that holds them.

values  (N, D) a vector a video, or (N, T, D) a vector a frame, float32
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from timesformer.errors import InputError
from timesformer.files import write_atomically
from timesformer.io.npz import NPZ_ERRORS
from timesformer.io.terminal import first_line, printable

NEEDED = ("features", "paths", "labels")
TINY = 1e-12  # shorter vectors have no direction


class FeaturesError(InputError, ValueError):
    """Features that cannot be used; the message names the file or class, the rule and the remedy."""


class FeatureSet(NamedTuple):
    """Features of N videos."""

    values: np.ndarray  # (N, D) or (N, T, D) float32, finite
    paths: tuple[str, ...]  # N
    labels: np.ndarray  # (N,) int64; -1: none
    class_names: tuple[str, ...]  # of the labels, or none
    origin: str  # the file, or the list, for messages
    made: dict[str, Any]  # how they were made: weights, tokens, preprocessing
    spans: np.ndarray | None = None  # (N, 2) seconds that the clips show; nan: unknown

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """Further texts of the videos: none. See ``evaluation.report.groups.Videos``."""
        return {}

    def class_name(self, label: int) -> str:
        """The name of a class; ``class 3`` where names are not known."""
        known = 0 <= label < len(self.class_names)
        return self.class_names[label] if known else f"class {label}"

    def vectors(self) -> np.ndarray:
        """A direction of length 1 for each video, (N, D) float64; frames are averaged first."""
        values = self.values.astype(np.float64)
        return unit(values.mean(axis=1) if values.ndim == 3 else values)

    def sequences(self) -> np.ndarray:
        """A direction of length 1 for each frame, (N, T, D) float64.

        Raises:
            FeaturesError: there is one vector a video.
        """
        if self.values.ndim != 3:
            raise FeaturesError(
                f"{printable(self.origin)} has one vector a video, but dtw compares those of frames; "
                "write it by timesformer features --tokens frames, or use --distance cosine"
            )
        return unit(self.values.astype(np.float64))


def unit(values: np.ndarray) -> np.ndarray:
    """Vectors (..., D) with length 1; a vector of zeros stays one."""
    lengths = np.linalg.norm(values, axis=-1, keepdims=True)
    return np.asarray(values / np.maximum(lengths, TINY))


def read_features(path: str | Path) -> FeatureSet:
    """The features of a file of `timesformer features`, or of one with the same arrays.

    Raises:
        FeaturesError: not such a file, or one whose arrays do not fit together.
    """
    name = printable(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise FeaturesError(f"{name} cannot be read: {reason}; check the path") from error
    except NPZ_ERRORS as error:
        raise FeaturesError(
            f"{name} is not a file of features ({first_line(error)}); write one by timesformer features"
        ) from error
    if lacking := [key for key in NEEDED if key not in arrays]:
        raise FeaturesError(
            f"{name} has no {', '.join(lacking)}; it needs {', '.join(NEEDED)}, as timesformer "
            "features writes them"
        )
    values, labels = arrays["features"], arrays["labels"]
    spans = arrays.get("spans")
    problem = _misshapen(values, labels, arrays["paths"]) or _nonfinite(values)
    if not problem and spans is not None and spans.shape != (len(values), 2):
        problem = f"not one start and one end a video: spans {spans.shape}"
    if problem:
        raise FeaturesError(f"{name}: {problem}; write it again by timesformer features")
    return FeatureSet(
        np.asarray(values, np.float32),
        tuple(map(str, arrays["paths"])),
        labels.astype(np.int64),
        tuple(map(str, arrays.get("class_names", ()))),
        str(path),
        _read_made(arrays),
        spans,
    )


def _misshapen(values: np.ndarray, labels: np.ndarray, paths: np.ndarray) -> str:
    shapes = f"features {values.shape}, labels {labels.shape}, paths {paths.shape}"
    if values.ndim not in (2, 3) or not values.size or not np.issubdtype(values.dtype, np.floating):
        return f"features are {values.dtype} {values.shape}, but must be (N, D) or (N, T, D) floats"
    if labels.shape != (len(values),) or paths.shape != (len(values),):
        return f"not one label and one path a video: {shapes}"
    if not np.issubdtype(labels.dtype, np.integer):
        return f"labels are {labels.dtype}, but must be whole numbers"
    return ""


def _nonfinite(values: np.ndarray) -> str:
    broken = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    return f"features of {broken.sum()} videos are not finite" if broken.any() else ""


def _read_made(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    try:
        made = json.loads(str(arrays.get("made", "{}")))
    except ValueError:
        return {}
    return made if isinstance(made, dict) else {}


def write_features(path: Path, found: FeatureSet) -> None:
    """Write what ``read_features`` reads.

    Raises:
        WriteError: the file cannot be written.
    """
    unknown = np.full((len(found.paths), 2), np.nan)
    with write_atomically(path, "wb", option="--out") as file:
        np.savez(
            file,
            features=found.values,
            paths=np.array(found.paths, dtype=np.str_),
            labels=found.labels,
            class_names=np.array(found.class_names, dtype=np.str_),
            made=json.dumps(found.made, indent=2),
            spans=unknown if found.spans is None else found.spans,
        )


def labelled(found: FeatureSet, *, needs: str) -> np.ndarray:
    """The labels of the videos, (N,).

    Raises:
        FeaturesError: some have none; ``needs`` names what needs them.
    """
    without = np.flatnonzero(found.labels < 0)
    if len(without):
        first = printable(found.paths[int(without[0])])
        raise FeaturesError(
            f"{printable(found.origin)}: {len(without)} of {len(found.labels)} videos have no label, as "
            f"{first}, but {needs} needs them; give a list of `path label` lines or a folder of classes"
        )
    return found.labels


def stacked(rows: Sequence[np.ndarray], origin: str) -> np.ndarray:
    """Features of videos as one array (N, ...).

    Raises:
        FeaturesError: there are none.
    """
    if not rows:
        raise FeaturesError(f"{printable(origin)}: no video has features; see the reasons above")
    return np.stack(rows)
