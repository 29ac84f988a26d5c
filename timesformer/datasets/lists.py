"""Annotation lists: text files to paths and labels, every problem named with file and line.

A list of a million videos is two arrays, shared by all loader processes, not a million objects.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from timesformer.video.remote import is_url, join
from timesformer.video.shards import split_member
from timesformer.video.sources import missing

_LINE = re.compile(r"(?P<path>.*[^\s,])[\s,]+(?P<label>-?\d+)")  # blank, tab or comma
_BRACKETS = str.maketrans("", "", "[]")


class ListError(ValueError):
    """An annotation list that cannot be used; the message names file, line, rule and remedy."""


class PackedStrings(Sequence[str]):
    """Immutable strings in one byte array: forked processes share its pages, and never copy them."""

    def __init__(self, strings: Sequence[str]) -> None:
        encoded = [os.fsencode(text) for text in strings]
        self._bytes = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        self._ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> str:  # type: ignore[override]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        return os.fsdecode(self._bytes[self._ends[index] : self._ends[index + 1]].tobytes())


class VideoList(NamedTuple):
    """Labelled videos: ``sources[i]`` is a file, or the frame files of a video, one a line."""

    sources: PackedStrings
    labels: np.ndarray  # (N,) int64
    origin: str  # the list file, for messages

    def files(self, index: int) -> list[str]:
        """The files of video ``index``: one, or its frames in order."""
        return self.sources[index].split("\n")

    def name(self, index: int) -> str:
        """What to call video ``index`` in messages and results: its file, or its frame folder."""
        files = self.files(index)
        return files[0] if len(files) == 1 else os.path.dirname(files[0])

    def missing(self) -> list[str]:
        """The videos of which the (first) file does not exist.

        Raises:
            SourceError: a protocol that is unknown or whose package is missing; a broken shard.
        """
        firsts = (self.files(i)[0] for i in range(len(self.sources)))
        return [self.name(i) for i in missing(firsts)]


def read_kinetics(
    folder: str | Path, split: str, *, prefix: str, separator: str, num_classes: int
) -> VideoList:
    """``folder``/``split``.csv: a line ``path label`` for each video, no header.

    Blank lines and lines that begin with # are skipped; paths may hold blanks. The default
    ``separator`` (a blank) accepts blanks, tabs and commas; any other is taken literally.

    Args:
        folder: of the list.
        split: train, val or test.
        prefix: folder of the videos; empty: paths are relative to here, else to ``folder``.
        separator: between path and label.
        num_classes: labels are 0 .. num_classes - 1.

    Raises:
        ListError: a missing or empty list, a malformed line, a label out of range.
    """
    origin = Path(folder) / f"{split}.csv"
    paths, labels = [], []
    for number, line in _lines(origin):
        path, label = _parse_line(line, separator, where=f"{origin}:{number}")
        _check_label(label, num_classes, where=f"{origin}:{number}")
        paths.append(_locate(path, prefix, Path(folder)))
        labels.append(label)
    if not paths:
        raise ListError(f"{origin} names no video; write a line `path label` for each")
    return VideoList(PackedStrings(paths), np.array(labels, dtype=np.int64), str(origin))


def read_ssv2(
    folder: str | Path, split: str, *, prefix: str, separator: str, num_classes: int
) -> VideoList:
    """Something-Something v2 as published: labels, annotations and frame list in ``folder``.

    ``something-something-v2-labels.json`` maps templates to label ids,
    ``something-something-v2-{train,validation}.json`` lists videos with their templates, and
    ``{train,val}.csv`` their frames (columns original_vido_id video_id frame_id path labels). The
    test split is the validation set. Annotated videos without frames are left out, as published.

    Raises:
        ListError: a missing file, a wrong header or line, an unknown template, or no video at all.
    """
    folder = Path(folder)
    labels = _read_json(folder / "something-something-v2-labels.json")
    part = "train" if split == "train" else "validation"
    annotation = folder / f"something-something-v2-{part}.json"
    origin = folder / ("train.csv" if split == "train" else "val.csv")
    frames = _read_frame_list(origin, prefix)
    sources, targets = [], []
    for video in _read_json(annotation):
        template = video["template"].translate(_BRACKETS)
        if template not in labels:
            raise ListError(f"{annotation}: template {template!r} is not in the labels file")
        label = int(labels[template])
        _check_label(label, num_classes, where=f"{annotation}, video {video['id']}")
        if video["id"] in frames:
            sources.append("\n".join(frames[video["id"]]))
            targets.append(label)
    if not sources:
        raise ListError(f"{origin} and {annotation} have no video id in common")
    return VideoList(PackedStrings(sources), np.array(targets, dtype=np.int64), str(origin))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines with something on them; a byte-order mark is dropped."""
    if not path.is_file():
        raise ListError(
            f"list {path} does not exist; put it there, or set DATA.PATH_TO_DATA_DIR to the folder "
            "of train.csv, val.csv and test.csv"
        )
    try:
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise ListError(f"list {path} cannot be read: {error}") from error
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if line and not line.startswith("#"):
            yield number, line


def _parse_line(line: str, separator: str, where: str) -> tuple[str, int]:
    if separator in ("", " "):
        match = _LINE.fullmatch(line)
        path, label = (match["path"], match["label"]) if match else ("", "")
    else:
        path, _, label = line.rpartition(separator)
    path = path.strip()
    if len(path) > 1 and path[0] == path[-1] == '"':
        path = path[1:-1]
    try:
        return _nonempty(path), int(label)
    except ValueError:
        raise ListError(
            f"{where}: {line[:120]!r} is not `path label`; write a path, a blank, tab or comma "
            "(or DATA.PATH_LABEL_SEPARATOR), and a whole number"
        ) from None


def _nonempty(path: str) -> str:
    if not path:
        raise ValueError
    return path


def _check_label(label: int, num_classes: int, where: str) -> None:
    if not 0 <= label < num_classes:
        raise ListError(
            f"{where}: label {label} is outside 0 .. {num_classes - 1}; set MODEL.NUM_CLASSES to the "
            "number of classes, or correct the label"
        )


def _locate(path: str, prefix: str, folder: Path) -> str:
    """Where ``path`` of a list lies: under ``prefix``, else here, else in ``folder`` of the list.

    Whether a URL exists is not asked here, nor is a tar opened for one member.
    """
    if is_url(path) or is_url(prefix):
        return join(prefix, path)
    candidates = [os.path.join(prefix, path)] if prefix else [path, os.path.join(folder, path)]
    if "\\" in path and os.sep == "/":  # a list written on Windows
        candidates += [candidate.replace("\\", "/") for candidate in candidates]
    files = (os.path.exists(split_member(candidate)[0]) for candidate in candidates)
    return next((c for c, there in zip(candidates, files, strict=True) if there), candidates[0])


def _read_json(path: Path) -> "list[dict[str, str]] | dict[str, str]":  # type: ignore[type-arg]
    if not path.is_file():
        raise ListError(f"list {path} does not exist; SSv2 needs it in DATA.PATH_TO_DATA_DIR")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ListError(f"{path} is not valid JSON: {error}") from error


def _read_frame_list(path: Path, prefix: str) -> dict[str, list[str]]:
    """Video id -> frame files in the order of the lines."""
    frames: dict[str, list[str]] = {}
    lines = _lines(path)
    _, header = next(lines, (0, ""))
    if not header.startswith("original_vido_id"):
        raise ListError(
            f"{path}: begins with {header[:40]!r}, but an SSv2 frame list begins with the header "
            "`original_vido_id video_id frame_id path labels`; for `path label` lists set "
            "TRAIN.DATASET and TEST.DATASET to kinetics"
        )
    for number, line in lines:
        fields = line.split()
        if len(fields) != 5:
            raise ListError(f"{path}:{number}: {line[:120]!r} has {len(fields)} columns, not 5")
        frames.setdefault(fields[0], []).append(_locate(fields[3], prefix, path.parent))
    return frames
