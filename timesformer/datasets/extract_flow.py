"""Write the optical flow of videos into a folder, from one decode of each (see ``video.flow_file``).

A file appears when it is whole, so the same command resumes. A video that cannot be read leaves a file
that says why, and is tried again by the next command.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import IO, Any, NamedTuple

import cv2
import numpy as np
import torch
from tqdm import tqdm

from timesformer.datasets.list_paths import located_rows
from timesformer.datasets.lists import source_files
from timesformer.files import write_atomically
from timesformer.io.terminal import hides_bars
from timesformer.io.timelimit import map_in_threads
from timesformer.runtime.processes import process_pool
from timesformer.video import VideoError
from timesformer.video.flow import FieldMaker, FlowError, FlowSettings, pixels
from timesformer.video.flow_file import (
    FlowMeta,
    FlowWriter,
    UnreadableError,
    differences,
    digest,
    flow_path,
    read_meta,
    write_failure,
)
from timesformer.video.sources import CHECK_SECONDS, CHECKS_AT_ONCE
from timesformer.video.timeline import Indices, Timeline
from timesformer.video.visit import Visited, visit_frames, visit_images

TABLE_COLUMNS = ("path", "file", "fields", "width", "height", "mean_x", "mean_y", "error")


class Extracted(NamedTuple):
    """What a cache holds of one video."""

    source: str
    path: Path
    meta: FlowMeta | None  # None: the video cannot be read
    error: str = ""
    is_new: bool = True

    @property
    def row(self) -> tuple[object, ...]:
        """Of the table; the mean motion is in pixels of frames of ``width`` x ``height``."""
        file = os.path.join(self.path.parent.name, self.path.name)
        if self.meta is None:
            return (self.source, file, 0, "", "", "", "", self.error)
        height, width = self.meta.field_size
        mean = (f"{value:.3f}" for value in self.meta.mean)
        return (self.source, file, self.meta.num_fields, width, height, *mean, "")


def listed_sources(origin: Path, *, prefix: str, separator: str) -> list[str]:
    """The videos of a list, each once; labels are not checked.

    Raises:
        ListError: a line that is not a row.
    """
    rows = located_rows(origin, prefix=prefix, separator=separator)
    return list(dict.fromkeys(row.path for _, row in rows))


def extract_flow(
    sources: Sequence[str], out: Path, settings: FlowSettings, *, weights: str, workers: int
) -> list[Extracted]:
    """Write the flow that ``out`` lacks; what it holds of every video, in order.

    Raises:
        FlowError: the method cannot run here, or ``out`` holds flow of other settings.
        RaftWeightsError: the weights of raft_small are missing, or are others.
        WriteError: ``out`` cannot be written.
    """
    FieldMaker(settings, weights=weights)  # says what it lacks before a process starts
    found: dict[str, Extracted] = {}
    looked = map_in_threads(
        lambda source: _look(source, out, settings),
        sources,
        seconds=CHECK_SECONDS,
        at_once=CHECKS_AT_ONCE,
    )
    todo: dict[str, str] = {}  # digest -> source: copies of a video are read once
    for source, there in zip(sources, looked, strict=True):
        if isinstance(there, Extracted):
            found[source] = there
        else:
            todo.setdefault(there, source)
    with (
        process_pool(max(min(workers, len(todo)), 1)) as pool,
        tqdm(total=len(todo), unit="video", disable=hides_bars()) as bar,
    ):
        tasks = [
            pool.submit(_extract, source, flow_path(out, name), settings, weights)
            for name, source in todo.items()
        ]
        for task in as_completed(tasks):
            found[task.result().source] = task.result()
            bar.update()
    by_digest = {name: found[source] for name, source in todo.items()}
    for source, there in zip(sources, looked, strict=True):
        if isinstance(there, str):
            found[source] = by_digest[there]._replace(source=source)
    return [found[source] for source in sources]


def _look(source: str, out: Path, settings: FlowSettings) -> "Extracted | str":
    """What ``out`` holds of a video already, or the digest of a video whose flow is to be written."""
    try:
        name = digest(source_files(source))
    except (OSError, VideoError) as error:
        return Extracted(source, out, None, f"{source}: {error}", is_new=False)
    path = flow_path(out, name)
    try:
        meta = read_meta(path)
    except (FileNotFoundError, FlowError, UnreadableError):
        return name
    if meta.settings != settings:
        raise FlowError(
            f"{out} holds flow of {differences(meta.settings, settings)}; use another --out, or these "
            "settings"
        )
    return Extracted(source, path, meta, is_new=False)


def _extract(source: str, path: Path, settings: FlowSettings, weights: str) -> Extracted:
    """Read one video and write its flow, in a process of the pool."""
    cv2.setNumThreads(0)  # the processes are the parallelism
    torch.set_num_threads(1)
    try:
        with (
            write_atomically(path, "wb", option="--out") as file,
            contextlib.closing(
                _FlowVisitor(file, FieldMaker(settings, weights=weights))
            ) as visitor,
        ):
            meta = visitor.finish(_visit(source, visitor, settings), source)
    except VideoError as error:
        with write_atomically(path, "wb", option="--out") as file:
            write_failure(file, settings, name=source, error=str(error))
        return Extracted(source, path, None, str(error))
    return Extracted(source, path, meta)


def _visit(source: str, visitor: "_FlowVisitor", settings: FlowSettings) -> Visited:
    files = source_files(source)
    if len(files) > 1 or os.path.isdir(source):
        return visit_images(files, visitor)
    return visit_frames(files[0], visitor, apply_rotation=settings.apply_rotation)


class _FlowVisitor:
    """Computes the field between each frame and the next one, and writes it at once."""

    def __init__(self, file: IO[bytes], maker: FieldMaker) -> None:
        self.file, self.maker = file, maker
        self.writer = FlowWriter(file)
        self.size = self.field_size = (0, 0)

    def begin(self, timeline: Timeline, errors: Sequence[str] = ()) -> Indices:
        """All frames."""
        self.close()
        self.file.seek(0)
        self.file.truncate()
        self.writer = FlowWriter(self.file)
        self.last: Any = None
        self.total, self.size = np.zeros(2), (0, 0)
        return np.arange(len(timeline.pts))

    def take(self, place: int, image: np.ndarray) -> None:
        """The next frame, in the size of the first one: a stream may change its size midway."""
        if self.last is None:
            self.size = (image.shape[0], image.shape[1])
        elif image.shape[:2] != self.size:
            image = cv2.resize(image, self.size[::-1], interpolation=cv2.INTER_LINEAR)
        prepared = self.maker.prepare(image)
        if self.last is not None:
            field = self.maker.between(self.last, prepared)
            self.field_size = (field.shape[0], field.shape[1])
            self.total += pixels(field, self.maker.settings.bound).mean(axis=(0, 1))
            self.writer.add(field)
        self.last = prepared

    def finish(self, visited: Visited, source: str) -> FlowMeta:
        """Write what the file says of itself."""
        meta = FlowMeta(
            self.maker.settings,
            visited.timeline,
            self.field_size,
            self.size,
            source,
            tuple((self.total / max(self.writer.count, 1)).tolist()),
            visited.remarks,
        )
        self.writer.finish(meta)
        return meta

    def close(self) -> None:
        """End the file as it is; of a video that was not read to its end it is thrown away."""
        self.writer.archive.close()


def table_rows(extracted: Sequence[Extracted]) -> Iterator[tuple[object, ...]]:
    """The rows of ``TABLE_COLUMNS``, below them."""
    yield TABLE_COLUMNS
    yield from (each.row for each in extracted)
