"""Train, val and test for clips that have none: by class, by group, by seed.

Clips of one group were cut from one film and look alike, so a group is never divided. Groups are
read from file names, within a class:

    v_Archery_g05_c02.avi                     UCF101: g05
    AmericanGangster_run_f_nm_np1_ba_bad_3    HMDB51: what precedes _f_nm_np1_ba_bad_3, the film
    dQw4w9WgXcQ_000010_000020                 Kinetics: the YouTube id
    anything else                             a group of its own
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from timesformer.datasets.annotations import SPLITS, LocatedClip
from timesformer.datasets.list_text import ListError

_SHARE = 0.1  # of a class for val, and for test, by default
_GROUPS = (
    re.compile(r".*_(?P<group>g\d+)(?:_|$).*"),
    re.compile(r"(?P<group>.+)_[fhul]_[nc]m_np\d+_(?:fr|ba|le|ri)_(?:bad|med|goo)_\d+"),
    re.compile(r"(?P<group>.{11})_\d{6}_\d{6}"),
)


def group_of(path: Path) -> str:
    """The film that a video was cut from, as far as its name tells."""
    for pattern in _GROUPS:
        if match := pattern.fullmatch(path.stem):
            return match["group"]
    return path.stem


def shares_for(entries: Sequence[LocatedClip], names: Sequence[str]) -> dict[str, float]:
    """Shares of val and test, of each class; no test of its own where a class has but two films.

    Raises:
        ListError: a class with one video, or several of one film.
    """
    films = {(entry.labels[0], group_of(entry.path)) for entry in entries if not entry.split}
    counts = Counter(label for label, _ in films)
    videos = Counter(entry.labels[0] for entry in entries)
    for label, count in counts.items():
        if count < 2:
            several = f"{videos[label]} videos of one film" if videos[label] > 1 else "one video"
            raise ListError(
                f"class {names[label]!r} has {several}, but training and testing need one each; add "
                "videos, or remove its folder"
            )
    return {"val": _SHARE, "test": _SHARE if min(counts.values(), default=0) > 2 else 0.0}


def assign_splits(
    entries: Sequence[LocatedClip],
    *,
    seed: int,
    shares: Mapping[str, float],
    names: Sequence[str] = (),
) -> list[LocatedClip]:
    """``entries`` with a split each; those that have one keep it.

    Args:
        entries: located clips; the class of several labels is the first of them.
        seed: with the class, decides which groups go where.
        shares: part of each class for val and for test, 0 .. 1; every split with a share gets at
            least one group of every class, and train what is left.
        names: of the classes, for messages.

    Raises:
        ListError: a class has fewer groups than there are splits.
    """
    groups: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i, entry in enumerate(entries):
        if not entry.split:
            groups[entry.labels[0]][group_of(entry.path)].append(i)
    splits = [split for split in SPLITS if shares.get(split)]
    chosen = [entry.split for entry in entries]
    for label, of_class in sorted(groups.items()):
        if len(of_class) < len(splits) + 1:
            name = names[label] if label < len(names) else f"class {label}"
            count = sum(map(len, of_class.values()))
            raise ListError(
                f"{name} has {count} video(s) in {len(of_class)} group(s), but train and "
                f"{' and '.join(splits)} need one each; add videos, remove the class, or set "
                "--val-share or --test-share to 0"
            )
        for split, members in _divide(
            list(of_class.values()), splits, shares, [seed, label]
        ).items():
            for i in members:
                chosen[i] = split
    return [entry._replace(split=split) for entry, split in zip(entries, chosen, strict=True)]


def complete_splits(
    entries: Sequence[LocatedClip], *, partial: bool = False
) -> dict[str, list[LocatedClip]]:
    """Split -> its entries; a val or test without videos repeats the other one.

    With ``partial`` nothing is repeated, and splits without videos are left out.

    Raises:
        ListError: no video to train on, or none to test on.
    """
    parts = {split: [entry for entry in entries if entry.split == split] for split in SPLITS}
    if partial:
        return {split: part for split, part in parts.items() if part}
    for split, other in (("val", "test"), ("test", "val")):
        parts[split] = parts[split] or parts[other]
    for split in ("train", "val"):
        if not parts[split]:
            raise ListError(
                f"no video for {split}; give the format a list for it or a share (--val-share), or "
                "write the lists there are (--partial)"
            )
    return parts


def _divide(
    groups: list[list[int]], splits: list[str], shares: Mapping[str, float], seed: list[int]
) -> dict[str, list[int]]:
    """Split -> members of the groups that it gets; the groups of one class."""
    total = sum(map(len, groups))
    order = [groups[i] for i in np.random.default_rng(seed).permutation(len(groups))]
    parts: dict[str, list[int]] = {split: order.pop() for split in splits}
    train = order.pop()
    for group in order:
        lacking = {s: shares[s] * total - len(parts[s]) - len(group) / 2 for s in splits}
        needy = max(lacking, key=lacking.__getitem__, default="")
        if needy and lacking[needy] > 0:
            parts[needy] = parts[needy] + group
        else:
            train = train + group
    return {"train": train, **parts}
