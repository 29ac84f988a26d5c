"""Folds of a list: every class in every fold, groups of dependent videos never divided."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from timesformer.datasets.list_text import ListError
from timesformer.datasets.lists import VideoList
from timesformer.evaluation.report.groups import GroupError, Groups, find_groups
from timesformer.io.terminal import printable

NAMED = 5  # classes that a message names


class ListedVideos(NamedTuple):
    """A list as ``find_groups`` wants it."""

    origin: str
    paths: tuple[str, ...]
    columns: dict[str, tuple[str, ...]]  # lists have none


class Folds(NamedTuple):
    """The fold of each of N videos, and their groups."""

    of_video: np.ndarray  # (N,) int64, 0 .. count - 1
    count: int
    groups: Groups

    def smallest_training(self) -> int:
        """Fewest videos that a fold trains on."""
        return len(self.of_video) - self.largest_test()

    def largest_training(self) -> int:
        """Most videos that a fold trains on."""
        return len(self.of_video) - int(np.bincount(self.of_video).min())

    def largest_test(self) -> int:
        """Most videos that a fold is tested on."""
        return int(np.bincount(self.of_video).max())


def fold_videos(videos: VideoList, *, num_folds: int, group: str, seed: int) -> Folds:
    """The folds of a list.

    Args:
        videos: with one label each.
        num_folds: 2 or more.
        group: see ``find_groups``.
        seed: of the order of the videos.

    Raises:
        ListError: a video has no label, there is but one class, or see ``deal_folds``.
        GroupError: there are no such groups.
    """
    paths = tuple(videos.name(i) for i in range(len(videos.labels)))
    if (without := np.flatnonzero(videos.labels < 0)).size:
        raise ListError(
            f"{printable(videos.origin)}: {len(without)} of {len(paths)} videos have no label, as "
            f"{printable(paths[int(without[0])])}; give a list of `path label` lines or class folders"
        )
    present = np.unique(videos.labels)
    if len(present) < 2:
        raise ListError(
            f"{printable(videos.origin)} has videos of one class; models are compared on 2 or more"
        )
    groups = _find_groups(videos.origin, paths, group)
    names = class_names_of(videos)
    folds = deal_folds(videos.labels, groups.codes, num_folds=num_folds, seed=seed, names=names)
    return Folds(folds, num_folds, groups)


def _find_groups(origin: str, paths: tuple[str, ...], group: str) -> Groups:
    """``find_groups``; a CSV may name the videos as they are, or from the folder of the list."""
    try:
        return find_groups(ListedVideos(origin, paths, {}), group)
    except GroupError:
        if not group.lower().endswith(".csv"):
            raise
        folder = os.path.dirname(origin)
        inside = tuple(os.path.relpath(path, folder).replace(os.sep, "/") for path in paths)
        return find_groups(ListedVideos(origin, inside, {}), group)


def class_names_of(videos: VideoList) -> list[str]:
    """The name of each label from 0 on; ``class 3`` where names are not known."""
    return list(videos.class_names) or [f"class {k}" for k in range(int(videos.labels.max()) + 1)]


def deal_folds(
    labels: np.ndarray,
    groups: np.ndarray | None,
    *,
    num_folds: int,
    seed: int,
    names: Sequence[str],
) -> np.ndarray:
    """Fold of each video, (N,) int64, with equal shares of the classes as far as groups allow.

    Raises:
        ListError: a class has fewer videos (or groups of them) than there are folds, or all its groups
            have come into one fold.
    """
    units = np.arange(len(labels)) if groups is None else groups
    counts = {int(k): len(np.unique(units[labels == k])) for k in np.unique(labels)}
    small = [f"{printable(names[k])} ({count})" for k, count in counts.items() if count < num_folds]
    if small:
        what = "videos" if groups is None else "groups of videos"
        more = f" and {len(small) - NAMED} more" if len(small) > NAMED else ""
        raise ListError(
            f"fewer {what} than folds in {', '.join(small[:NAMED])}{more}: each of the {num_folds} folds "
            f"needs one of every class; add videos, remove the class, or lower --folds"
        )
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(num_folds, shuffle=True, random_state=seed)
    folds = np.empty(len(labels), dtype=np.int64)
    for fold, (_, held_out) in enumerate(splitter.split(labels, labels, groups)):
        folds[held_out] = fold
    alone = [k for k in counts if len(np.unique(folds[labels == k])) < 2]
    if alone or len(np.unique(folds)) < num_folds:
        which = (
            f"all videos of {printable(names[alone[0]])} in one fold" if alone else "an empty fold"
        )
        raise ListError(
            f"the groups of videos are too unequal for {num_folds} folds: they leave {which}; lower "
            "--folds, try another --seed, or name smaller groups with --group"
        )
    return folds
