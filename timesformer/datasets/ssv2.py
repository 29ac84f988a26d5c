"""Lists of Something-Something v2: labels, annotations, and the frames of every video by name."""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from timesformer.datasets.list_lines import check_label
from timesformer.datasets.list_paths import locate
from timesformer.datasets.list_text import ListError, numbered_lines, shown
from timesformer.datasets.lists import FRAME_END, PackedStrings, VideoList

logger = logging.getLogger(__name__)

_BRACKETS = str.maketrans("", "", "[]")


def read_ssv2(
    folder: str | Path,
    split: str,
    *,
    prefix: str,
    separator: str,
    num_classes: int,
    multi_label: bool = False,
) -> VideoList:
    """Something-Something v2 as published: labels, annotations and frame list in ``folder``.

    ``something-something-v2-labels.json`` maps templates to label ids,
    ``something-something-v2-{train,validation}.json`` lists videos with their templates, and
    ``{train,val}.csv`` their frames (columns original_vido_id video_id frame_id path labels). The
    test split is the validation set. Annotated videos without frames are left out, as published.

    Raises:
        ListError: a missing file, a wrong header or line, an unknown template, no video at all, or
            ``multi_label``.
    """
    if multi_label:
        raise ListError(
            "DATA.MULTI_LABEL is True, but an SSv2 video has one label; set it to False"
        )
    folder = Path(folder)
    labels = read_templates(folder)
    part = "train" if split == "train" else "validation"
    annotation = annotation_file(folder, part)
    origin = folder / ("train.csv" if split == "train" else "val.csv")
    frames = _read_frame_list(origin, prefix)
    sources, targets, without = [], [], 0
    for name, label in read_annotations(folder, part, labels):
        check_label(label, num_classes, where=f"{annotation}, video {name}")
        if name in frames:
            sources.append(FRAME_END.join(frames[name]))
            targets.append(label)
        without += name not in frames
    if without:
        logger.warning("%s: %d annotated videos have no frames in %s", annotation, without, origin)
    if not sources:
        raise ListError(f"{origin} and {annotation} have no video id in common")
    names = tuple(sorted(labels, key=labels.__getitem__))
    return VideoList(
        PackedStrings(sources),
        np.array(targets, dtype=np.int64),
        str(origin),
        names if len(names) == num_classes else (),
    )


def annotation_file(folder: Path, part: str) -> Path:
    """The labels, or the videos of train or validation, in ``folder``."""
    return folder / f"something-something-v2-{part}.json"


def read_templates(folder: Path) -> dict[str, int]:
    """The label of each template.

    Raises:
        ListError: the labels file is missing or is not a JSON object.
    """
    labels = _read_json(annotation_file(folder, "labels"))
    if not isinstance(labels, dict):
        raise ListError(f"{folder}: the labels file must be a JSON object of template: id")
    return {template: int(label) for template, label in labels.items()}


def read_annotations(
    folder: Path, part: str, labels: Mapping[str, int]
) -> Iterator[tuple[str, int]]:
    """Id and label of each video of ``part``, train or validation.

    Raises:
        ListError: the file is missing or not valid JSON, or a video has an unknown template.
    """
    path = annotation_file(folder, part)
    for number, video in enumerate(_read_json(path)):
        try:
            name, template = str(video["id"]), video["template"].translate(_BRACKETS)
        except (TypeError, KeyError, AttributeError):
            raise ListError(
                f"{path}: entry {number} is {str(video)[:80]!r}, but must have id and template"
            ) from None
        if template not in labels:
            raise ListError(
                f"{path}, video {name}: template {template!r} is not in the labels file; take all "
                "files from one release"
            )
        yield name, labels[template]


def _read_json(path: Path) -> Any:
    if not path.is_file():
        raise ListError(f"list {path} does not exist; SSv2 needs it beside its other files")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ListError(f"{path} is not valid JSON: {error}") from error


def _read_frame_list(path: Path, prefix: str) -> dict[str, list[str]]:
    """Video id -> frame files in the order of the lines."""
    frames: dict[str, list[str]] = {}
    exists = _Folders()
    lines = numbered_lines(path)
    _, header = next(lines, (0, ""))
    if not header.startswith("original_vido_id"):
        raise ListError(
            f"{path}: begins with {shown(header[:40])}, but an SSv2 frame list begins with the header "
            "`original_vido_id video_id frame_id path labels`; for `path label` lists set "
            "TRAIN.DATASET and TEST.DATASET to kinetics"
        )
    for number, line in lines:
        fields = line.split()
        if len(fields) != 5:
            raise ListError(f"{path}:{number}: {shown(line)} has {len(fields)} columns, not 5")
        frames.setdefault(fields[0], []).append(
            locate(fields[3], prefix, path.parent, exists=exists)
        )
    return frames


class _Folders:
    """Whether files exist, for one system call a folder where they do: frames come in thousands."""

    def __init__(self) -> None:
        self._names: dict[str, frozenset[str]] = {}

    def __call__(self, path: str) -> bool:
        folder, name = os.path.split(path)
        if folder not in self._names:
            names = os.listdir(folder or ".") if os.path.isdir(folder or ".") else ()
            self._names[folder] = frozenset(names)
        return name in self._names[folder] or os.path.exists(path)
