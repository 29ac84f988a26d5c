"""Annotation lists: text files to paths and labels, every problem named with file and line.

A list of a million videos is two arrays, shared by all loader processes, not a million objects.
"""

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from timesformer.datasets import list_advice
from timesformer.datasets.class_names import FILE, ClassNamesError, names_beside
from timesformer.datasets.folders import frame_files
from timesformer.datasets.list_lines import check_row
from timesformer.datasets.list_paths import located_rows
from timesformer.datasets.list_text import ListError
from timesformer.video.sources import missing

logger = logging.getLogger(__name__)


FRAME_END = "\0"  # between the frame files of one video: no name holds it


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
    """Labelled videos: a source is a file, a frame folder, or the frame files of a video.

    Frame files have a FRAME_END between them. ``segments`` are the parts of the files that count, in
    seconds from their first frame; nan is the beginning or the end of the file.
    """

    sources: PackedStrings
    labels: np.ndarray  # (N,) int64, or (N, K) float32 multi-hot
    origin: str  # the list file, for messages
    class_names: tuple[str, ...] = ()  # K of them, or none if they are not known
    segments: np.ndarray | None = None  # (N, 2) float64; None: every file whole
    parts: tuple["VideoList", ...] = ()  # the lists that it was joined of, see joint_lists

    def files(self, index: int) -> list[str]:
        """The files of video ``index``, see ``source_files``."""
        return source_files(self.sources[index])

    def name(self, index: int) -> str:
        """What to call video ``index`` in messages and results: its file, or its frame folder."""
        files = self.sources[index].split(FRAME_END)
        return files[0] if len(files) == 1 else os.path.dirname(files[0])

    def segment(self, index: int) -> tuple[float, float] | None:
        """Start and end of video ``index`` in seconds, None if its file counts as a whole."""
        if self.segments is None or np.isnan(self.segments[index]).all():
            return None
        start, end = self.segments[index].tolist()
        return start, end

    def label_text(self, index: int) -> str:
        """The labels of video ``index`` as lists write them: ``3``, or ``3;7``."""
        label = self.labels[index]
        return ";".join(map(str, np.flatnonzero(label))) if label.ndim else str(int(label))

    def missing(self) -> list[str]:
        """The videos of which the (first) file does not exist.

        Raises:
            SourceError: a protocol that is unknown or whose package is missing; a broken shard.
        """
        return [self.name(i) for i in missing(s.partition(FRAME_END)[0] for s in self.sources)]


def source_files(source: str) -> list[str]:
    """The files of a source of a ``VideoList``: one, or its frames in order.

    Raises:
        VideoError: a frame folder without frames.
    """
    files = source.split(FRAME_END)
    return frame_files(files[0]) if len(files) == 1 and os.path.isdir(files[0]) else files


def read_kinetics(
    folder: str | Path,
    split: str,
    *,
    prefix: str,
    separator: str,
    num_classes: int,
    multi_label: bool = False,
) -> VideoList:
    """``folder``/``split``.csv: a line ``path label`` for each video, no header.

    Blank lines are skipped, and lines that begin with # unless they are rows of existing files.
    Columns are quoted as Python's csv module does it; paths may hold blanks without quotes. The
    default ``separator`` (a blank) accepts blanks, tabs and commas; any other is taken literally. A
    path may be a folder of frames. ``path label start end`` is a part of a longer file, in seconds;
    the path then ends as video files do, or both times have a decimal point. ``classes.txt`` in
    ``folder`` names the classes, a line each.

    Args:
        folder: of the list.
        split: train, val or test.
        prefix: folder of the videos; empty: paths are relative to here, else to ``folder``.
        separator: between path and label.
        num_classes: labels are 0 .. num_classes - 1.
        multi_label: lines may have several labels, ``path 3;7;12``; labels become multi-hot.

    Raises:
        ListError: a missing or empty list, a malformed line, a label out of range, a part that ends
            before it starts, or class names that are not ``num_classes``. The message says what a
            file of another kind seems to be, and which command converts it.
    """
    return read_list_file(
        Path(folder) / f"{split}.csv",
        prefix=prefix,
        separator=separator,
        num_classes=num_classes,
        multi_label=multi_label,
    )


def read_list_file(
    origin: Path,
    *,
    prefix: str = "",
    separator: str = " ",
    num_classes: int | None = None,
    multi_label: bool = False,
) -> VideoList:
    """The list file ``origin``, as ``read_kinetics`` says.

    ``num_classes`` None: as many as ``classes.txt`` beside it names, or any number without one.
    """
    names = _class_names(origin, num_classes)
    limit = num_classes or len(names) or sys.maxsize
    paths, labels, times = [], [], []
    for number, row in located_rows(origin, prefix=prefix, separator=separator):
        where = f"{origin}:{number}"
        try:
            check_row(row, limit, multi_label=multi_label, where=where)
        except ListError as error:
            advice = list_advice.explain_labels(origin, limit, prefix, separator)
            raise ListError(f"{error}{advice}") from None
        paths.append(row.path)
        labels.append(row.labels)
        times.append((row.start, row.end))
    if not paths:
        raise ListError(f"{origin} names no video; write a line `path label` for each")
    segments = np.array(times, dtype=np.float64)
    return VideoList(
        PackedStrings(paths),
        multi_hot(labels, limit) if multi_label else np.array(labels, dtype=np.int64)[:, 0],
        str(origin),
        names,
        None if np.isnan(segments).all() else segments,
    )


def multi_hot(labels: Sequence[Sequence[int]], num_classes: int) -> np.ndarray:
    """1 at each label of a video, (N, K) float32."""
    hot = np.zeros((len(labels), num_classes), dtype=np.float32)
    for row, of_video in zip(hot, labels, strict=True):
        row[list(of_video)] = 1
    return hot


def _class_names(origin: Path, num_classes: int | None) -> tuple[str, ...]:
    """The names beside a list, none without ``classes.txt``; ``num_classes`` of them if not None."""
    try:
        names = names_beside(origin)
    except ClassNamesError as error:
        raise ListError(str(error)) from error
    if names and num_classes is not None and len(names) != num_classes:
        raise ListError(
            f"{origin.with_name(FILE)} names {len(names)} classes, but MODEL.NUM_CLASSES is "
            f"{num_classes}; set it to {len(names)}, or correct or remove the file"
        )
    return names
