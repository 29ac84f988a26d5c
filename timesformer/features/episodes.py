"""Episodes of few-shot classification: which videos are shown, and which are asked for.

An episode draws classes, ``shots`` support videos of each, and queries among the others. A query is never
of a group, as clips of one film, that its class has in the support.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from timesformer.datasets.lists import VideoList
from timesformer.features.feature_set import FeaturesError
from timesformer.io.terminal import printable

NAMED = 5  # classes that a message names


class ClassVideos(NamedTuple):
    """The videos of one class."""

    videos: np.ndarray  # (n,) indices
    groups: np.ndarray  # (n,) codes of groups of dependent videos


class Episode(NamedTuple):
    """W classes of one episode."""

    classes: np.ndarray  # (W,) of the list of classes
    support: np.ndarray  # (W, K) videos
    queries: np.ndarray  # (Q,) videos
    truth: np.ndarray  # (Q,) places 0 .. W - 1 of their classes


def classes_of(
    labels: np.ndarray, groups: np.ndarray | None
) -> tuple[np.ndarray, list[ClassVideos]]:
    """The labels that occur, and the videos of each; without ``groups`` each video is one."""
    codes = np.arange(len(labels)) if groups is None else groups
    present = np.unique(labels)
    places = [np.flatnonzero(labels == label) for label in present]
    return present, [ClassVideos(place, codes[place]) for place in places]


def check_episodes(
    classes: Sequence[ClassVideos], names: Sequence[str], *, ways: int, shots: int, origin: str
) -> None:
    """Whether every class has ``shots`` videos, and a query that belongs to none of them.

    Raises:
        FeaturesError: a class is too small, or there are fewer than ``ways``.
    """
    origin = printable(origin)
    if len(classes) < ways:
        raise FeaturesError(
            f"{origin} has {len(classes)} classes, but --ways {ways} draws {ways} of them in each "
            f"episode; lower --ways to at most {len(classes)}"
        )
    small = []
    for name, each in zip(names, classes, strict=True):
        _, sizes = np.unique(each.groups, return_counts=True)
        if len(each.videos) - sizes.max() < shots:
            grouped = f" of {len(sizes)} groups" if len(sizes) < len(each.videos) else ""
            small.append(f"{printable(name)} ({len(each.videos)}{grouped})")
    if small:
        more = f" and {len(small) - NAMED} more" if len(small) > NAMED else ""
        raise FeaturesError(
            f"{origin}: too few readable videos of {', '.join(small[:NAMED])}{more}; --shots {shots} "
            f"needs {shots + 1} of each class, one of them a query of another group; add videos, lower "
            "--shots, or remove the class from the list"
        )


def check_list(videos: VideoList, *, ways: int, shots: Sequence[int]) -> None:
    """Whether a list has enough videos, before any of them is read; errors as of ``check_episodes``."""
    if videos.labels.ndim > 1 or (videos.labels < 0).any():
        return  # that is said of the features, too
    present, classes = classes_of(videos.labels, None)
    known = dict(enumerate(videos.class_names))
    names = [known.get(label, f"class {label}") for label in present.tolist()]
    for number in shots:
        check_episodes(classes, names, ways=ways, shots=number, origin=videos.origin)


def draw_episode(
    classes: Sequence[ClassVideos],
    rng: np.random.Generator,
    *,
    ways: int,
    shots: int,
    queries: int,
) -> Episode:
    """An episode with at most ``queries`` of each class, at least one.

    A random query comes first, then the support from other groups, then the other queries from groups
    that are not in the support. Without groups this is a uniform draw.
    """
    chosen = rng.choice(len(classes), ways, replace=False)
    support = np.empty((ways, shots), np.int64)
    asked = []
    for place, index in enumerate(chosen.tolist()):
        videos, groups = classes[index]
        order = rng.permutation(len(videos))
        others = order[groups[order] != groups[order[0]]][:shots]
        support[place] = videos[others]
        free = order[~np.isin(groups[order], groups[others])][:queries]
        asked.append(videos[free])
    truth = np.repeat(np.arange(ways), [len(each) for each in asked])
    return Episode(chosen, support, np.concatenate(asked), truth)
