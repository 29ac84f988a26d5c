"""Groups of videos that are not independent: parts of one file, clips of one film or person."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

import numpy as np

from timesformer.errors import InputError
from timesformer.io.spreadsheet import original
from timesformer.io.terminal import printable

# UCF101 cuts several clips of one video: v_ApplyEyeMakeup_g08_c01.avi
_UCF101 = re.compile(r"v_(?P<group>.+_g\d+)_c\d+")
AUTO, NONE, UCF101, FILE = "auto", "none", "ucf101", "file"


class GroupError(InputError, ValueError):
    """Groups that the predictions do not have."""


class Videos(Protocol):
    """Predictions or features of N videos."""

    @property
    def origin(self) -> str | Path:
        """The file that they are from, for messages."""

    @property
    def paths(self) -> Sequence[str]:
        """N."""

    @property
    def columns(self) -> Mapping[str, Sequence[str]]:
        """Name -> N texts."""


class Groups(NamedTuple):
    """Of N videos."""

    by: str | None  # what a group is, None: every video alone
    codes: np.ndarray | None  # (N,) int64 from 0

    @property
    def number(self) -> int | None:
        """How many groups there are."""
        return None if self.codes is None else int(self.codes.max()) + 1


def find_groups(videos: Videos, by: str = AUTO) -> Groups:
    """The groups of the videos.

    Args:
        videos: N of them.
        by: a column of the file, a CSV with the columns path and group, ``ucf101`` (by names),
            ``file`` (parts of one file), ``none``, or ``auto``: parts of one file, else names if all are
            those of UCF101, else none.

    Raises:
        GroupError: there is no such column or name.
    """
    if by == AUTO:
        return _detected(videos)
    if by == NONE:
        return Groups(None, None)
    if by in videos.columns:
        return _coded(by, _complete(videos.columns[by], videos, by))
    if by == FILE:
        return _coded(FILE, videos.paths)
    if by == UCF101:
        return _coded(UCF101, _complete(_of_names(videos.paths), videos, by))
    if by.lower().endswith(".csv"):
        return _coded(Path(by).name, _of_table(Path(by), videos))
    have = ", ".join(map(printable, videos.columns)) or "no further columns"
    raise GroupError(
        f"--group {printable(by)}: {printable(videos.origin)} has no such column (it has {have}); "
        "name a column, a CSV with the columns path and group, ucf101, file or none"
    )


def _detected(videos: Videos) -> Groups:
    if len(set(videos.paths)) < len(videos.paths):
        return _coded(FILE, videos.paths)
    names = _of_names(videos.paths)
    if all(names) and len(set(names)) < len(names):
        return _coded(UCF101, names)
    return Groups(None, None)


def _of_names(paths: Sequence[str]) -> list[str]:
    """``ApplyEyeMakeup_g08`` of each path, "" of other names."""
    found = (_UCF101.fullmatch(PurePosixPath(path.replace("\\", "/")).stem) for path in paths)
    return [match["group"] if match else "" for match in found]


def _of_table(file: Path, videos: Videos) -> Sequence[str]:
    try:
        with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as opened:
            rows = list(csv.DictReader(opened))
    except OSError as error:
        raise GroupError(
            f"--group {printable(file)}: {error.strerror}; name a CSV with the columns path and group"
        ) from error
    except csv.Error as error:
        raise GroupError(f"--group {printable(file)}: not a CSV: {error}") from error
    if not rows or not {"path", "group"} <= set(rows[0]):
        raise GroupError(f"--group {printable(file)}: it needs the columns path and group")
    known: dict[str, str] = {}
    for row in rows:
        path, group = original(row["path"] or ""), row["group"] or ""
        if known.setdefault(path, group) != group:
            raise GroupError(
                f"--group {printable(file)}: {printable(path)} is in the groups "
                f"{printable(known[path])} and {printable(group)}; a video has one group, so remove a row"
            )
    groups = [known.get(path, "") for path in videos.paths]
    return _complete(groups, videos, str(file))


def _complete(groups: Sequence[str], videos: Videos, by: str) -> Sequence[str]:
    without = [path for path, group in zip(videos.paths, groups, strict=True) if not group]
    if without:
        raise GroupError(
            f"--group {printable(by)}: {len(without)} of {len(groups)} videos have no group; the first is "
            f"{printable(without[0])}; give every video its group"
        )
    return groups


def _coded(by: str, groups: Sequence[str]) -> Groups:
    codes = {name: code for code, name in enumerate(dict.fromkeys(groups))}
    return Groups(by, np.array([codes[name] for name in groups], dtype=np.int64))
