"""The index of a list: what a scan found in each of its videos, kept beside the list.

``train.csv.index.csv`` has one row for each video of ``train.csv``. A row is valid while size and
modification time of its file are those of the scan. ``tools/check_data.py`` writes it, training
reads it.
"""

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from timesformer.datasets.lists import ListError, VideoList
from timesformer.video.images import FOLDER_FPS
from timesformer.video.remote import is_url
from timesformer.video.shards import split_member
from timesformer.video.sources import size_of

if TYPE_CHECKING:
    import pandas as pd

UNREADABLE = frozenset({"unreadable", "zero frames", "crashed", "no answer"})
"""Problems that leave no clip; of a truncated video, what is there is used."""


class Row(NamedTuple):
    """One scanned video; ``path`` is relative to the folder of the list."""

    path: str
    label: int
    size: int  # bytes
    mtime_ns: int
    frames: int  # that the decoder really gives
    header_frames: int  # 0: the header makes no claim
    fps: float
    duration_seconds: float
    width: int
    height: int
    codec: str
    problem: str  # empty, or a kind
    detail: str  # what it means
    content: str  # hash of the bytes
    picture: str  # what is seen: a few small gray pictures, as hex


TYPES = {
    name: str if kind is str else kind.__name__ + "64" for name, kind in Row.__annotations__.items()
}


def index_path(list_file: str | Path) -> Path:
    """Where the index of a list lies."""
    return Path(f"{list_file}.index.csv")


def row_key(video: str, list_file: str | Path) -> str:
    """What the index calls ``video``: its path from the list's folder, with forward slashes.

    The same from every working folder, and after the data set has moved with its list.
    """
    if is_url(video):
        return video
    folder = os.path.dirname(os.path.abspath(list_file))
    try:
        return os.path.relpath(os.path.abspath(video), folder).replace(os.sep, "/")
    except ValueError:  # another drive of Windows
        return os.path.abspath(video).replace(os.sep, "/")


def file_state(path: str) -> tuple[int, int] | None:
    """Size in bytes and mtime in ns, of a member of a tar the tar's; None if there is no such file.

    What lies elsewhere has no mtime here, 0.
    """
    shard, member = split_member(path)
    try:
        if is_url(path):
            return size_of(path), 0
        status = os.stat(shard)
        return size_of(path) if member else status.st_size, status.st_mtime_ns
    except (OSError, ValueError):
        return None


def read_index(list_file: str | Path) -> dict[str, Row]:
    """The rows of a list's index by their path, valid or not; empty without an index.

    Raises:
        ListError: the file is not an index.
    """
    if not index_path(list_file).exists():
        return {}
    rows = (Row(*values) for values in _read(list_file).itertuples(index=False, name=None))
    return {row.path: row for row in rows}


def write_index(list_file: str | Path, rows: Iterable[Row]) -> None:
    """Replace the index of a list; a reader sees the old or the new one, never half of it.

    Raises:
        OSError: the folder of the list cannot be written.
    """
    import pandas as pd  # slow to import, and only needed where there is an index

    path = index_path(list_file)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        pd.DataFrame(list(rows), columns=list(Row._fields)).to_csv(
            unfinished, index=False, encoding="utf-8", errors="surrogateescape"
        )
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def known_bad(videos: VideoList) -> dict[int, str]:
    """Why videos of a list cannot be read, by their index in it; only what is surely still true.

    Rows of files that have changed since, and frame folders, are left out.

    Raises:
        ListError: the index beside the list is not an index.
    """
    name = index_path(videos.origin).name
    return {
        i: f"{videos.sources[i]}: {row.problem}: {row.detail} (known from {name})"
        for i, row in _valid_rows(videos, unreadable=True)
    }


def known_seconds(videos: VideoList) -> dict[int, float]:
    """Seconds of the videos of a list that its index knows, by their index in the list.

    Raises:
        ListError: the index beside the list is not an index.
    """
    return {i: row_seconds(row) for i, row in _valid_rows(videos, unreadable=False)}


def row_seconds(row: Row) -> float:
    """How long the video is that can be seen; frame folders count as 30 frames a second."""
    of_frames = row.frames / (row.fps or FOLDER_FPS)
    return of_frames if row.problem else row.duration_seconds or of_frames


def _valid_rows(videos: VideoList, *, unreadable: bool) -> Iterator[tuple[int, Row]]:
    """Index in the list and row of what ``UNREADABLE`` says, or says not; of unchanged files only."""
    if not index_path(videos.origin).exists():
        return
    table = _read(videos.origin)
    kept = table[table["problem"].isin(UNREADABLE) == unreadable]
    rows = {row[0]: Row(*row) for row in kept.itertuples(index=False, name=None)}
    names = {os.path.basename(key) for key in rows}
    for i in range(len(videos.sources) if rows else 0):
        source = videos.sources[i]
        if os.path.basename(source.replace("\\", "/")) not in names:
            continue  # a path is worked out for candidates alone: lists are long
        row = rows.get(row_key(source, videos.origin))
        if row is not None and file_state(source) == (row.size, row.mtime_ns):
            yield i, row


def describe_known_bad(videos: VideoList, bad: dict[int, str], *, split: str) -> str:
    """The log line on ``bad``: how many, who found them, what becomes of them, how to check again."""
    path = index_path(videos.origin)
    written = time.strftime("%Y-%m-%d %H:%M", time.localtime(path.stat().st_mtime))
    fate = "never sampled" if split == "train" else "reported as not scored, without decoding"
    return (
        f"{split}: {len(bad)} of {len(videos.labels)} videos are known to be unreadable and are "
        f"{fate}; found by tools/check_data.py ({path}, {written}), check them again with: "
        f"python tools/check_data.py {videos.origin} --again"
    )


def _read(list_file: str | Path) -> "pd.DataFrame":
    import pandas as pd

    path = index_path(list_file)
    try:
        return pd.read_csv(
            path,
            usecols=list(Row._fields),
            dtype=TYPES,
            keep_default_na=False,
            encoding="utf-8",
            encoding_errors="surrogateescape",
        )[list(Row._fields)]
    except (ValueError, OSError) as error:
        raise ListError(
            f"{path} is not an index of videos ({error}); delete it, then run "
            f"tools/check_data.py {list_file}"
        ) from error
