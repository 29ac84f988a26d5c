"""The lines of a list as entries, and all its wrong lines as problems."""

import sys
from math import nan
from pathlib import Path
from typing import NamedTuple

from timesformer.datasets import list_advice, list_lines, list_paths, ssv2
from timesformer.datasets.list_text import ListError


class ListedVideo(NamedTuple):
    """One line of a list that parses."""

    split: str  # name of the list without .csv
    line: int  # in its file, from 1
    video: str  # where the file lies
    label: int
    more: tuple[int, ...] = ()  # labels, where there are several
    part: tuple[float, float] = (
        nan,
        nan,
    )  # seconds of the file that count; nan: its beginning or end


class Problem(NamedTuple):
    """Something to look at; ``line`` is 0 where it is about the whole list."""

    kind: str
    list_file: str
    line: int
    video: str
    label: str
    detail: str


class Listing(NamedTuple):
    """One list: its file, its good lines and its wrong ones."""

    file: Path
    entries: list[ListedVideo]
    problems: list[Problem]


def find_lists(arguments: list[Path]) -> list[Path]:
    """The lists that the user means: the files named, and train, val and test.csv of folders.

    Raises:
        ListError: a path that does not exist, or a folder without these files.
    """
    found: list[Path] = []
    for path in arguments:
        if path.is_dir():
            inside = [path / f"{split}.csv" for split in ("train", "val", "test")]
            inside = [file for file in inside if file.is_file()]
            if not inside:
                raise ListError(
                    f"folder {path} has no train.csv, val.csv or test.csv; name the list files"
                )
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise ListError(f"list {path} does not exist; check the path")
    return list(dict.fromkeys(found))


def read_listing(file: Path, *, prefix: str, separator: str) -> Listing:
    """Every line of ``file``, as training would read it.

    Of an SSv2 list a video is the folder of its frames, and its line is 0.

    Raises:
        ListError: the file cannot be read, no line of it parses, or it is an SSv2 list that training
            could not read.
    """
    entries: list[ListedVideo] = []
    problems: list[Problem] = []
    for number, line in list_paths.row_lines(file, prefix=prefix, separator=separator):
        if not entries and not problems and line.startswith("original_vido_id"):
            return _read_ssv2(file, prefix=prefix)
        where = f"{file}:{number}"
        try:
            row = list_lines.parse_row(line, separator, where=where)
            video = list_paths.find_video(row.path, line, file, prefix, where=where)
        except ListError as error:
            detail = str(error).removeprefix(f"{where}: ")
            if not problems:  # explained once
                detail += list_advice.explain_line(file, line, prefix, separator)
            problems.append(Problem("not a line", str(file), number, "", "", detail))
            continue
        part = (row.start, row.end)
        entries.append(ListedVideo(file.stem, number, video, row.labels[0], row.labels[1:], part))
    if not entries:
        raise ListError(
            f"{file}: none of its lines is `path label`"
            + (
                f"; the first problem, line {problems[0].line}: {problems[0].detail}"
                if problems
                else ""
            )
        )
    return Listing(file, entries, problems)


def _read_ssv2(file: Path, *, prefix: str) -> Listing:
    if file.stem not in ("train", "val"):
        raise ListError(
            f"{file} is an SSv2 list of frame images, which must be called train.csv or val.csv; "
            "rename it"
        )
    videos = ssv2.read_ssv2(
        file.parent, file.stem, prefix=prefix, separator=" ", num_classes=sys.maxsize
    )
    names = [videos.name(i) for i in range(len(videos.labels))]
    labels = videos.labels.tolist()
    entries = [
        ListedVideo(file.stem, 0, name, label) for name, label in zip(names, labels, strict=True)
    ]
    return Listing(file, entries, [])
