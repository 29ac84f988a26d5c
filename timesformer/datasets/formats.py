"""Annotation formats of others as clips with labels: parsers that read text and touch no video.

A parser gets a ``Source`` and returns ``Annotations``: what the files say, names as they say them.
Add a format by a function and a row of ``FORMATS``.
"""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from timesformer.datasets.annotations import SPLIT_NAMES, Annotations, Clip, Source
from timesformer.datasets.classes import class_names
from timesformer.datasets.folders import VIDEO_SUFFIXES
from timesformer.datasets.rows import ListError, numbered_lines

_SUFFIXES = "|".join(sorted(suffix[1:] for suffix in VIDEO_SUFFIXES))
_VIDEO_LINE = re.compile(rf"(?P<name>.*\.(?:{_SUFFIXES}))(?P<numbers>(?:\s+\d+)+)", re.IGNORECASE)
_FRAMES_LINE = re.compile(r"(?P<name>.*?\S)\s+(?P<num_frames>\d+)(?P<numbers>(?:\s+\d+)+)")
_UCF_CLASS = re.compile(r"(\d+)\s+(\S+)")
_HMDB_LIST = re.compile(r"(?P<name>.+)_test_split(?P<fold>\d+)\.txt")
_HMDB_SPLITS = {"1": "train", "2": "test", "0": ""}  # 0: in neither
_BRACKETS = str.maketrans("", "", "[]")
_PATH_COLUMNS = ("path", "dir", "file", "video")
_LABEL_COLUMNS = ("label", "class", "k400_index")


def read_kinetics_csv(source: Source) -> Annotations:
    """The original Kinetics CSV: label, youtube_id, time_start, time_end, split (and more columns).

    Videos are called ``<id>_<start>_<end>`` with six digits each, or ``<id>`` for the whole film,
    of which the part is taken then; they may lie in a folder called like the label.
    """
    columns = ("label", "youtube_id", "time_start", "time_end", "split")
    rows = [row for path in _files(source) for row in _read_csv(path, columns).to_dict("records")]
    names = source.class_names or tuple(sorted({row["label"] for row in rows}))
    label_of = _Labels(names)
    clips = []
    for row in rows:
        start, end = float(row["time_start"]), float(row["time_end"])
        clips.append(
            Clip(
                name=f"{row['youtube_id']}_{int(start):06d}_{int(end):06d}",
                labels=(label_of(row["label"]),),
                split=_split(row["split"]),
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
        for number, line in numbered_lines(path):
            match = _VIDEO_LINE.fullmatch(line) or _FRAMES_LINE.fullmatch(line)
            if not match:
                raise ListError(
                    f"{path}:{number}: {line[:120]!r} is neither `video label` nor `folder "
                    "num_frames label`; labels are whole numbers"
                )
            labels = tuple(map(int, match["numbers"].split()))
            clips.append(Clip(match["name"], labels, split, folders=(split,)))
    return Annotations(clips, source.class_names)


def read_ucf101(source: Source) -> Annotations:
    """The official splits of UCF101: classInd.txt, trainlist0N.txt and testlist0N.txt in a folder."""
    folder = _folder(source, "classInd.txt, trainlist01.txt and testlist01.txt")
    names: list[str] = []
    for number, line in numbered_lines(folder / "classInd.txt"):
        match = _UCF_CLASS.fullmatch(line)
        if not match or int(match[1]) != len(names) + 1:
            raise ListError(f"{folder / 'classInd.txt'}:{number}: {line!r} is not `number Class`")
        names.append(match[2])
    label_of, clips = _Labels(names), []
    for split in ("train", "test"):
        path = folder / f"{split}list{source.fold:02d}.txt"
        for number, line in numbered_lines(path):
            name = line.split()[0]
            label = label_of(name.split("/")[0], where=f"{path}:{number}")
            clips.append(Clip(name, (label,), split))
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
        for number, line in numbered_lines(path):
            video, _, mark = line.rpartition(" ")
            if mark not in _HMDB_SPLITS:
                raise ListError(f"{path}:{number}: {line[:120]!r} is not `name.avi` and 0, 1 or 2")
            if split := _HMDB_SPLITS[mark]:
                clips.append(Clip(video.strip(), (label,), split, folders=(name,)))
    return Annotations(clips, tuple(sorted(found)))


def read_ssv2_json(source: Source) -> Annotations:
    """Something-Something v2: labels, train and validation JSON in a folder; videos called by id."""
    folder = _folder(source, "something-something-v2-labels.json, -train.json and -validation.json")
    labels = {name: int(label) for name, label in _read_json(folder, "labels").items()}
    clips = []
    for split, part in (("train", "train"), ("val", "validation")):
        for video in _read_json(folder, part):
            template = video["template"].translate(_BRACKETS)
            if template not in labels:
                raise ListError(
                    f"{folder}, {part}, video {video['id']}: template {template!r} is not in the "
                    "labels file; take all files from one release"
                )
            clips.append(Clip(video["id"], (labels[template],), split))
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
    label_of = _Labels(names)
    return Annotations([Clip(path, (label_of(name),), split) for split, name, path in found], names)


def read_csv(source: Source) -> Annotations:
    """CSV with a header: a column path, dir, file or video, one label, class or k400_index, split.

    Labels are whole numbers, or names that are numbered in sorted order; split is optional.
    """
    clips, texts = [], []
    frames = [_read_csv(path, ()) for path in _files(source)]
    names = source.class_names
    for path, table in zip(_files(source), frames, strict=True):
        name, label = (_column(table, choices, path) for choices in (_PATH_COLUMNS, _LABEL_COLUMNS))
        if label == "k400_index":
            names = names or class_names("kinetics400")
        splits = table["split"].map(_split) if "split" in table else [""] * len(table)
        texts += list(zip(table[name], table[label], splits, strict=True))
    if not all(text.isdigit() for _, text, _ in texts):
        names = names or tuple(sorted({text for _, text, _ in texts}))
    label_of = _Labels(names)
    for name, text, split in texts:
        clips.append(Clip(name, (int(text) if text.isdigit() else label_of(text),), split))
    return Annotations(clips, names)


FORMATS: dict[str, Callable[[Source], Annotations]] = {
    "kinetics": read_kinetics_csv,
    "mmaction2": read_mmaction,
    "ucf101": read_ucf101,
    "hmdb51": read_hmdb51,
    "ssv2": read_ssv2_json,
    "folders": read_class_folders,
    "csv": read_csv,
}


class _Labels:
    """Class name -> label, with an error for other names."""

    def __init__(self, names: Sequence[str]) -> None:
        self._labels = {name: label for label, name in enumerate(names)}

    def __call__(self, name: str, where: str = "") -> int:
        if name not in self._labels:
            shown = ", ".join(list(self._labels)[:3])
            raise ListError(
                f"{where + ': ' if where else ''}{name!r} is not one of the {len(self._labels)} "
                f"classes ({shown}, ...); correct it, or pass other class names"
            )
        return self._labels[name]


def _files(source: Source) -> tuple[Path, ...]:
    if not source.annotations:
        raise ListError("this format needs --annotations FILE, one or several")
    return source.annotations


def _folder(source: Source, content: str) -> Path:
    if len(source.annotations) != 1 or not source.annotations[0].is_dir():
        raise ListError(f"this format needs --annotations FOLDER, of {content}")
    return source.annotations[0]


def _read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """All columns as text."""
    if not path.is_file():
        raise ListError(f"annotation file {path} does not exist; check --annotations")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except (ValueError, OSError) as error:
        raise ListError(f"{path} is not a CSV file: {error}") from error
    if absent := [column for column in columns if column not in table]:
        raise ListError(f"{path} has no column {', '.join(absent)}; it has {', '.join(table)}")
    return table


def _column(table: pd.DataFrame, choices: Sequence[str], path: Path) -> str:
    for name in choices:
        if name in table:
            return name
    raise ListError(f"{path} has no column {' or '.join(choices)}; it has {', '.join(table)}")


def _read_json(folder: Path, part: str) -> "dict[str, str] | list[dict[str, str]]":  # type: ignore[type-arg]
    path = folder / f"something-something-v2-{part}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ListError(f"{path} cannot be read: {error}") from error


def _split(name: str) -> str:
    key = name.strip().lower()
    if key not in SPLIT_NAMES:
        raise ListError(
            f"split {name!r} is not one of {', '.join(SPLIT_NAMES)}; correct the column"
        )
    return SPLIT_NAMES[key]
