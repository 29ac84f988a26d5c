from collections import Counter
from math import nan
from pathlib import Path

import pytest

from timesformer.datasets.annotations import LocatedClip
from timesformer.datasets.list_text import ListError
from timesformer.datasets.splits import assign_splits, complete_splits, group_of

SHARES = {"val": 0.1, "test": 0.2}


def entries(*names, label=0, split=""):
    return [LocatedClip(Path(name), (label,), split, nan, nan) for name in names]


def ucf(label, groups=10, clips=4):
    names = [f"v_C{label}_g{g:02d}_c{c:02d}.avi" for g in range(groups) for c in range(clips)]
    return entries(*names, label=label)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("v_Archery_g05_c02.avi", "g05"),
        ("AmericanGangster_run_f_nm_np1_ba_bad_3.avi", "AmericanGangster_run"),
        ("dQw4w9WgXcQ_000010_000020.mp4", "dQw4w9WgXcQ"),
        ("my clip.mp4", "my clip"),
    ],
)
def test_groups_are_read_from_names(name, group):
    assert group_of(Path("somewhere") / name) == group


@pytest.mark.parametrize("seed", range(5))
def test_splits_are_stratified_and_divide_no_group(seed):
    videos = ucf(0) + ucf(1, groups=20)
    found = assign_splits(videos, seed=seed, shares=SHARES)
    counts = Counter((entry.labels[0], entry.split) for entry in found)
    assert counts == {
        (0, "train"): 28, (0, "val"): 4, (0, "test"): 8,
        (1, "train"): 56, (1, "val"): 8, (1, "test"): 16,
    }  # fmt: skip
    of_group = {(entry.labels, group_of(entry.path)): set() for entry in found}
    for entry in found:
        of_group[entry.labels, group_of(entry.path)].add(entry.split)
    assert all(len(splits) == 1 for splits in of_group.values())
    assert [entry.path for entry in found] == [entry.path for entry in videos]


def test_a_seed_decides_and_another_class_changes_nothing():
    first = assign_splits(ucf(0), seed=0, shares=SHARES)
    assert first == assign_splits(ucf(0) + ucf(1), seed=0, shares=SHARES)[:40]
    assert first != assign_splits(ucf(0), seed=1, shares=SHARES)


def test_every_split_gets_a_group_of_a_small_class():
    found = assign_splits(entries("a.mp4", "b.mp4", "c.mp4"), seed=0, shares=SHARES)
    assert sorted(entry.split for entry in found) == ["test", "train", "val"]
    found = assign_splits(entries("a.mp4", "b.mp4"), seed=0, shares={"val": 0.1, "test": 0})
    assert sorted(entry.split for entry in found) == ["train", "val"]


def test_a_class_that_cannot_be_divided_is_named():
    match = r"run has 1 video\(s\) in 1 group\(s\), but train and val and test need one each; add"
    with pytest.raises(ListError, match=match):
        assign_splits(entries("a.mp4"), seed=0, shares=SHARES, names=["run"])
    with pytest.raises(ListError, match=r"class 3 has 4 video\(s\) in 1 group\(s\)"):
        assign_splits(ucf(3, groups=1), seed=0, shares=SHARES)


def test_what_has_a_split_keeps_it():
    found = assign_splits(entries("a.mp4", split="val"), seed=0, shares=SHARES)
    assert [entry.split for entry in found] == ["val"]


def test_a_missing_val_or_test_repeats_the_other():
    train, test = entries("a", split="train"), entries("b", split="test")
    assert complete_splits(train + test) == {"train": train, "val": test, "test": test}
    with pytest.raises(ListError, match="no video for train"):
        complete_splits(test)
    with pytest.raises(ListError, match=r"no video for val; .* \(--val-share\)"):
        complete_splits(train)
