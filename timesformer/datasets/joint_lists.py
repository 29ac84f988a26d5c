"""Two training lists as one: videos of the first, then of the second, whose labels come after."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from timesformer.config import CfgNode
from timesformer.datasets.list_source import TRAINED, build_splits, read_list
from timesformer.datasets.lists import PackedStrings, VideoList


def read_lists(cfg: CfgNode, split: str) -> dict[str, VideoList]:
    """The lists that ``split`` takes its videos from, by name: train has that of DATA.EXTRA_TRAIN too.

    Raises:
        ListError: see ``list_source.read_list``.
    """
    named = [name for name in TRAINED if name in build_splits(cfg)] if split == "train" else []
    return {name: read_list(cfg, name) for name in named or [split]}


def join(lists: Iterable[VideoList], num_classes: int) -> VideoList:
    """All videos of ``lists`` in order; labels of the second begin at ``num_classes``.

    The origin and the names of classes are those of the first; one list is itself.
    """
    first, *others = lists
    if not others:
        return first
    (extra,) = others
    segments = None
    if first.segments is not None or extra.segments is not None:
        segments = np.concatenate([_segments(videos) for videos in (first, extra)])
    return VideoList(
        PackedStrings([*first.sources, *extra.sources]),
        np.concatenate([first.labels, num_classes + extra.labels]),
        first.origin,
        first.class_names,
        segments,
        (first, extra),
    )


def by_name(videos: VideoList) -> dict[str, VideoList]:
    """The lists that a training list was joined of, as ``read_lists`` names them."""
    return dict(zip(TRAINED, videos.parts or (videos,), strict=False))


def count_classes(videos: VideoList) -> int:
    """As many as are named beside the list, else the largest label and one."""
    return len(videos.class_names) or int(videos.labels.max()) + 1


def joined_flip_map(opposite: np.ndarray | None, videos: VideoList) -> np.ndarray | None:
    """``opposite`` (K,) for all labels of a joined list: a flip changes none of those from K on."""
    if opposite is None or not videos.parts:
        return opposite
    return np.concatenate([opposite, np.arange(len(opposite), videos.labels.max() + 1)])


def places(lists: Mapping[str, VideoList]) -> Iterator[tuple[str, VideoList, int]]:
    """Name and list, and the index of its first video in the joined one."""
    start = 0
    for name, videos in lists.items():
        yield name, videos, start
        start += len(videos.labels)


def _segments(videos: VideoList) -> np.ndarray:
    if videos.segments is not None:
        return videos.segments
    return np.full((len(videos.labels), 2), np.nan)
