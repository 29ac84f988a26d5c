"""The index of a list: what a scan found in each of its videos, kept beside the list.

``train.csv.index.csv`` has one row for each video of ``train.csv``. A row is valid while size and
modification time of its file are those of the scan. ``timesformer check`` writes it, training
reads it. Where the folder of the list cannot be written, the index lies in another place.
"""

import errno
import hashlib
import logging
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from timesformer.datasets.list_source import TRAINED
from timesformer.datasets.list_text import ListError
from timesformer.datasets.lists import VideoList
from timesformer.files import WriteError, write_atomically
from timesformer.video.images import FOLDER_FPS
from timesformer.video.remote import is_url
from timesformer.video.shards import split_member
from timesformer.video.sources import size_of

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
UNREADABLE = frozenset({"unreadable", "zero frames", "crashed", "no answer"})
"""Problems that leave no clip; of a truncated video, what is there is used."""

UNKNOWN = "?"


class ScanRow(NamedTuple):
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
    remarks: str = ""  # ``kind: detail; ...`` of what is unusual; UNKNOWN in indices of old


TYPES = {
    name: str if kind is str else kind.__name__ + "64"
    for name, kind in ScanRow.__annotations__.items()
}


def index_path(list_file: str | Path, elsewhere: str | Path | None = None) -> Path:
    """Where the index of a list lies: beside it, or in the folder ``elsewhere``."""
    if elsewhere is None:
        return Path(f"{list_file}.index.csv")
    place = os.path.abspath(list_file).encode("utf-8", "surrogateescape")
    digest = hashlib.blake2b(place, digest_size=4).hexdigest()
    return Path(elsewhere) / f"{Path(list_file).name}.{digest}.index.csv"


def other_places(output_dir: str | Path) -> tuple[Path, ...]:
    """Where a run looks for indices whose lists lie in folders that cannot be written."""
    return Path(output_dir), Path(output_dir) / "check"


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


def read_index(list_file: str | Path, places: Sequence[str | Path] = ()) -> dict[str, ScanRow]:
    """The rows of a list's index by their path, valid or not; empty without an index.

    Args:
        list_file: the list.
        places: folders that may hold its index, where it is not beside the list.

    Raises:
        ListError: a file is not an index.
    """
    tables = [_read(path, list_file) for path in _existing(list_file, places)]
    rows = (ScanRow(*row) for table in tables for row in table.itertuples(index=False, name=None))
    return {row.path: row for row in rows}


def write_index(
    list_file: str | Path, rows: Iterable[ScanRow], elsewhere: str | Path | None = None
) -> Path:
    """Replace the index of a list; a reader sees the old or the new one, never half of it.

    Returns where it lies: ``elsewhere`` if the folder of the list cannot be written.

    Raises:
        WriteError: it cannot be written.
    """
    import pandas as pd  # slow to import, and only needed where there is an index

    table = pd.DataFrame(list(rows), columns=list(ScanRow._fields))
    path = index_path(list_file)
    try:
        with write_atomically(path, newline="") as file:
            table.to_csv(file, index=False)
    except WriteError as error:
        if elsewhere is None or getattr(error.__cause__, "errno", None) not in READ_ONLY:
            raise
        path = index_path(list_file, elsewhere)
        with write_atomically(path, newline="", option="--out") as file:
            table.to_csv(file, index=False)
        _say_once(f"{Path(list_file).parent} cannot be written; the index is kept in {path}")
    return path


def _existing(list_file: str | Path, places: Sequence[str | Path]) -> list[Path]:
    """The index files of a list, the newest last."""
    paths = [index_path(list_file), *(index_path(list_file, place) for place in places)]
    return sorted(filter(Path.exists, paths), key=lambda path: path.stat().st_mtime_ns)


def known_bad(videos: VideoList, places: Sequence[str | Path] = ()) -> dict[int, str]:
    """Why videos of a list cannot be read, by their index in it; only what is surely still true.

    Rows of files that have changed since, and frame folders, are left out. ``places`` are those of
    ``read_index``.

    Raises:
        ListError: the index of the list is not an index.
    """
    return {
        i: f"{videos.sources[i]}: {row.problem}: {row.detail} (known from {name})"
        for i, row, name in _valid_rows(videos, places, unreadable=True)
    }


def known_seconds(videos: VideoList, places: Sequence[str | Path] = ()) -> dict[int, float]:
    """Seconds of the videos of a list that its index knows, by their index in the list.

    Raises:
        ListError: the index of the list is not an index.
    """
    rows = _valid_rows(videos, places, unreadable=False)
    return {i: row_seconds(row) for i, row, _ in rows}


def row_seconds(row: ScanRow) -> float:
    """How long the video is that can be seen; frame folders count as 30 frames a second."""
    of_frames = row.frames / (row.fps or FOLDER_FPS)
    return of_frames if row.problem else row.duration_seconds or of_frames


def _valid_rows(
    videos: VideoList, places: Sequence[str | Path], *, unreadable: bool
) -> Iterator[tuple[int, ScanRow, str]]:
    """Index in the list, row and index file of what ``UNREADABLE`` says, or says not.

    Of unchanged files only.
    """
    rows: dict[str, tuple[ScanRow, str]] = {}
    for path in _existing(videos.origin, places):  # a newer one overrules an older one
        table = _read(path, videos.origin)
        for key in rows.keys() & set(table["path"]):
            del rows[key]
        kept = table[table["problem"].isin(UNREADABLE) == unreadable]
        for values in kept.itertuples(index=False, name=None):
            rows[values[0]] = ScanRow(*values), path.name
    names = {os.path.basename(key) for key in rows}
    for i in range(len(videos.sources) if rows else 0):
        source = videos.sources[i]
        if os.path.basename(source.replace("\\", "/")) not in names:
            continue  # a path is worked out for candidates alone: lists are long
        row, name = rows.get(row_key(source, videos.origin), (None, ""))
        if row is not None and file_state(source) == (row.size, row.mtime_ns):
            yield i, row, name


def describe_known_bad(
    videos: VideoList, bad: dict[int, str], *, split: str, places: Sequence[str | Path] = ()
) -> str:
    """The log line on ``bad``: how many, how they were found and are treated, and how to check again."""
    path = _existing(videos.origin, places)[-1]
    written = time.strftime("%Y-%m-%d %H:%M", time.localtime(path.stat().st_mtime))
    fate = "never sampled" if split in TRAINED else "reported as not scored, without decoding"
    return (
        f"{split}: {len(bad)} of {len(videos.labels)} videos are known to be unreadable and are "
        f"{fate}; found by `timesformer check` ({path}, {written}), check them again with: "
        f"timesformer check {videos.origin} --again"
    )


def _read(path: Path, list_file: str | Path) -> "pd.DataFrame":
    """The table of an index file; an empty one if its values are damaged."""
    import pandas as pd

    options = {"keep_default_na": False, "encoding": "utf-8", "encoding_errors": "surrogateescape"}
    try:
        table = pd.read_csv(path, usecols=ScanRow._fields.__contains__, dtype=TYPES, **options)
        for name in ScanRow._field_defaults.keys() - set(table):
            table[name] = UNKNOWN
        return table[list(ScanRow._fields)]
    except OSError as error:
        raise ListError(f"index {path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, OverflowError) as error:
        if _has_columns(path):
            _say_once(f"{path} is damaged ({error}); its videos are taken for not scanned yet")
            return pd.DataFrame(columns=list(ScanRow._fields))
        raise ListError(
            f"{path} is not an index of videos ({error}); delete it, then run "
            f"timesformer check {list_file}"
        ) from error


def _has_columns(path: Path) -> bool:
    """Whether a file begins as an index does."""
    with path.open("rb") as file:
        found = set(file.readline(4096).decode(errors="replace").strip().split(","))
        return found >= set(ScanRow._fields) - ScanRow._field_defaults.keys()


@cache
def _say_once(text: str) -> None:
    logger.warning("%s", text)
