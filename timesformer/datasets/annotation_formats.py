"""Annotation formats of others as clips with labels: parsers that read text and touch no video.

A parser gets a ``Source`` and returns ``Annotations``: what the files say, names as they say them.
Add a format by a function and a row of ``ANNOTATION_FORMATS``.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from math import inf
from pathlib import Path

from timesformer.datasets.annotation_tables import (
    LabelNumbers,
    read_csv,
    read_list,
    read_table,
    split_name,
)
from timesformer.datasets.annotations import SPLIT_NAMES, AnnotatedClip, Annotations, Source
from timesformer.datasets.folders import VIDEO_SUFFIXES
from timesformer.datasets.list_text import ListError, numbered_lines, shown
from timesformer.datasets.ssv2 import read_annotations, read_templates
from timesformer.io.terminal import printable

_SUFFIXES = "|".join(sorted(suffix[1:] for suffix in VIDEO_SUFFIXES))
_VIDEO_LINE = re.compile(rf"(?P<name>.*\.(?:{_SUFFIXES}))(?P<numbers>(?:\s+\d+)+)", re.I | re.S)
_FRAMES_LINE = re.compile(r"(?P<name>.*?\S)\s+(?P<num_frames>\d+)(?P<numbers>(?:\s+\d+)+)", re.S)
_UCF_CLASS = re.compile(r"(\d+)\s+(\S+)")
_HMDB_LIST = re.compile(r"(?P<name>.+)_test_split(?P<fold>\d+)\.txt")
_HMDB_SPLITS = {"1": "train", "2": "test", "0": ""}  # 0: in neither


def read_kinetics_csv(source: Source) -> Annotations:
    """The original Kinetics CSV: label, youtube_id, time_start, time_end, split (and more columns).

    Videos are called ``<id>_<start>_<end>`` with six digits each, or ``<id>`` for the whole film,
    of which the part is taken then; they may lie in a folder called like the label.
    """
    columns = ("label", "youtube_id", "time_start", "time_end", "split")
    tables = [read_table(path, columns, encoding=source.encoding) for path in _files(source)]
    rows = [row for table in tables for row in table.to_dict("records")]
    names = source.class_names or tuple(sorted({row["label"] for row in rows}))
    label_of = LabelNumbers(names)
    clips = []
    for row in rows:
        start, end = _seconds(row)
        clips.append(
            AnnotatedClip(
                name=f"{row['youtube_id']}_{int(start):06d}_{int(end):06d}",
                labels=(label_of(row["label"]),),
                split=split_name(row["split"]),
                folders=(row["label"], row["label"].replace(" ", "_")),
                whole=row["youtube_id"],
                start=start,
                end=end,
            )
        )
    return Annotations(clips, names)


def read_mmaction(source: Source) -> Annotations:
    """OpenMMLab text lists, a file a split: ``video label ...`` or ``folder num_frames label ...``.

    A line is of a video if its name ends as video files do, otherwise of a frame folder.
    """
    if not source.lists:
        raise ListError("format mmaction2 needs a list for each split: --train FILE --val FILE")
    clips = []
    for split, path in source.lists.items():
        for number, line in _lines(path, source):
            match = _mmaction_row(line)
            if not match:
                raise ListError(
                    f"{path}:{number}: {shown(line)} is neither `video label` nor `folder "
                    "num_frames label`; labels are whole numbers"
                )
            labels = tuple(map(int, match["numbers"].split()))
            clips.append(AnnotatedClip(match["name"], labels, split, folders=(split,)))
    return Annotations(clips, source.class_names)


def read_ucf101(source: Source) -> Annotations:
    """The official splits of UCF101: classInd.txt, trainlist0N.txt and testlist0N.txt in a folder."""
    folder = _folder(source, "classInd.txt, trainlist01.txt and testlist01.txt")
    names: list[str] = []
    for number, line in _lines(folder / "classInd.txt", source):
        match = _UCF_CLASS.fullmatch(line)
        if not match or int(match[1]) != len(names) + 1:
            raise ListError(
                f"{folder / 'classInd.txt'}:{number}: {shown(line)} is not `number Class`"
            )
        names.append(match[2])
    label_of, clips = LabelNumbers(names), []
    for split in ("train", "test"):
        path = folder / f"{split}list{source.fold:02d}.txt"
        for number, line in _lines(path, source):
            match = _VIDEO_LINE.fullmatch(line)
            name = match["name"] if match else line
            label = label_of(name.split("/")[0], where=f"{path}:{number}")
            clips.append(AnnotatedClip(name, (label,), split))
    return Annotations(clips, tuple(names))


def read_hmdb51(source: Source) -> Annotations:
    """The official splits of HMDB51: a folder of ``<class>_test_split<N>.txt``: ``name.avi 0|1|2``.

    1 is for training, 2 for testing, 0 for neither.
    """
    folder = _folder(source, "<class>_test_split1.txt files")
    matches = [_HMDB_LIST.fullmatch(path.name) for path in sorted(folder.glob("*.txt"))]
    found = {
        match["name"]: match for match in matches if match and int(match["fold"]) == source.fold
    }
    if not found:
        raise ListError(
            f"{folder} has no file <class>_test_split{source.fold}.txt; check the folder"
        )
    clips = []
    for label, name in enumerate(sorted(found)):
        path = folder / found[name].string
        for number, line in _lines(path, source):
            video, _, mark = line.rpartition(" ")
            if mark not in _HMDB_SPLITS:
                raise ListError(f"{path}:{number}: {shown(line)} is not `name.avi` and 0, 1 or 2")
            if split := _HMDB_SPLITS[mark]:
                clips.append(AnnotatedClip(video.strip(), (label,), split, folders=(name,)))
    return Annotations(clips, tuple(sorted(found)))


def read_ssv2_json(source: Source) -> Annotations:
    """Something-Something v2: labels, train and validation JSON in a folder; videos called by id."""
    folder = _folder(source, "something-something-v2-labels.json, -train.json and -validation.json")
    labels = read_templates(folder)
    clips = [
        AnnotatedClip(name, (label,), split)
        for split, part in (("train", "train"), ("val", "validation"))
        for name, label in read_annotations(folder, part, labels)
    ]
    return Annotations(clips, tuple(sorted(labels, key=labels.__getitem__)))


def read_class_folders(source: Source) -> Annotations:
    """A folder of class folders, or of train, val and test folders of class folders.

    A class is called like its folder; labels count the names in sorted order.
    """
    root = source.videos.root
    found = []  # (split, class, name)
    for path in source.videos.paths:
        split, parts = "", path.relative_to(root).parts
        if parts[0] in SPLIT_NAMES:
            split, parts = SPLIT_NAMES[parts[0]], parts[1:]
        if len(parts) > 1:
            found.append((split, parts[0], path.relative_to(root).as_posix()))
    if not found:
        raise ListError(
            f"{root} has no class folders with videos; make a folder for each class in it, or choose "
            "the format of your annotation files"
        )
    names = source.class_names or tuple(sorted({name for _, name, _ in found}))
    label_of = LabelNumbers(names)
    return Annotations(
        [AnnotatedClip(path, (label_of(name),), split) for split, name, path in found], names
    )


ANNOTATION_FORMATS: dict[str, Callable[[Source], Annotations]] = {
    "kinetics": read_kinetics_csv,
    "mmaction2": read_mmaction,
    "ucf101": read_ucf101,
    "hmdb51": read_hmdb51,
    "ssv2": read_ssv2_json,
    "folders": read_class_folders,
    "csv": read_csv,
    "list": read_list,
}


def _seconds(row: Mapping[str, str]) -> tuple[float, float]:
    """Start and end of a clip of Kinetics."""
    try:
        start, end = float(row["time_start"]), float(row["time_end"])
        if 0 <= start < end < inf:
            return start, end
    except ValueError:
        pass
    raise ListError(
        f"video {printable(row['youtube_id'])}: from {printable(row['time_start'])} to "
        f"{printable(row['time_end'])} is not a part of a film; write seconds, start before end"
    )


def _lines(path: Path, source: Source) -> Iterator[tuple[int, str]]:
    """The stripped lines of a text list; one that begins with # is a row if its video is there."""

    def is_row(line: str) -> bool:
        match = _mmaction_row(line.strip())
        name = match["name"] if match else line.strip().rpartition(" ")[0] or line.strip()
        return bool(name) and source.videos.find(name) is not None

    for number, line in numbered_lines(path, encoding=source.encoding, is_row=is_row):
        yield number, line.strip()


def _mmaction_row(line: str) -> re.Match[str] | None:
    return _VIDEO_LINE.fullmatch(line) or _FRAMES_LINE.fullmatch(line)


def _files(source: Source) -> tuple[Path, ...]:
    if not source.annotations:
        raise ListError("this format needs --annotations FILE, one or several")
    return source.annotations


def _folder(source: Source, content: str) -> Path:
    if len(source.annotations) != 1 or not source.annotations[0].is_dir():
        raise ListError(f"this format needs --annotations FOLDER, of {content}")
    return source.annotations[0]
