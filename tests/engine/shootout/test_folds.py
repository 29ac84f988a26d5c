"""Folds: shares of classes, groups, and what cannot be divided."""

import numpy as np
import pytest

from tests.engine.shootout.made import made_videos
from timesformer.datasets.list_text import ListError
from timesformer.engine.shootout.folds import deal_folds, fold_videos
from timesformer.evaluation.report.groups import GroupError


def test_every_class_is_in_every_fold_in_its_share():
    labels = np.array([0] * 12 + [1] * 6 + [2] * 3)
    folds = deal_folds(labels, None, num_folds=3, seed=1, names="abc")
    for fold in range(3):
        assert np.bincount(labels[folds == fold]).tolist() == [4, 2, 1]
    assert np.array_equal(folds, deal_folds(labels, None, num_folds=3, seed=1, names="abc"))
    assert not np.array_equal(folds, deal_folds(labels, None, num_folds=3, seed=2, names="abc"))


def test_a_group_is_never_divided_and_no_class_is_unknown_in_training():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 12, 80)
    labels = (groups + rng.integers(0, 2, 80)) % 4
    folds = deal_folds(labels, groups, num_folds=3, seed=0, names="abcd")
    for group in range(12):
        assert len(set(folds[groups == group])) == 1
    for fold in range(3):
        assert set(labels[folds != fold]) == {0, 1, 2, 3}


def test_parts_of_one_file_are_a_group_by_themselves():
    videos = made_videos([0, 0, 1, 1, 0, 1, 0, 1])
    twice = videos._replace(
        sources=[videos.sources[i // 2] for i in range(8)], labels=np.array([0, 1] * 4)
    )
    found = fold_videos(twice, num_folds=2, group="auto", seed=0)
    assert (found.groups.by, found.groups.number) == ("file", 4)
    assert np.array_equal(found.of_video[::2], found.of_video[1::2])
    assert found.smallest_training() == found.largest_test() == found.largest_training() == 4


@pytest.mark.parametrize(
    ("labels", "groups", "message"),
    [
        (
            [0, 0, 0, 1, 1],
            None,
            "fewer videos than folds in right (2): each of the 3 folds needs one",
        ),
        ([0, 0, 0, 1, 1, 1], [0, 1, 2, 3, 3, 4], "fewer groups of videos than folds in right (2)"),
    ],
)
def test_a_class_that_cannot_be_divided_is_named(labels, groups, message):
    groups = groups and np.array(groups)
    with pytest.raises(ListError, match="lower --folds") as error:
        deal_folds(np.array(labels), groups, num_folds=3, seed=0, names=["left", "right"])
    assert message in str(error.value)


def test_groups_that_leave_a_fold_empty_are_refused():
    labels = np.array([0, 1] * 50 + [0, 1] * 2)
    groups = np.array([0] * 100 + [1] * 4)
    with pytest.raises(ListError, match="fewer groups"):
        deal_folds(labels, groups, num_folds=3, seed=0, names="ab")


def test_videos_without_a_label_and_one_class_are_refused():
    with pytest.raises(ListError, match="1 of 3 videos have no label, as /videos/1.mp4"):
        fold_videos(made_videos([0, -1, 1]), num_folds=2, group="none", seed=0)
    with pytest.raises(ListError, match="has videos of one class"):
        fold_videos(made_videos([1, 1, 1]), num_folds=2, group="none", seed=0)


@pytest.mark.parametrize("prefix", ["/videos/", ""])
def test_a_csv_names_videos_as_they_are_or_from_the_folder_of_the_list(tmp_path, prefix):
    videos = made_videos([0, 1] * 4)._replace(origin="/videos/list.csv")
    table = tmp_path / "films.csv"
    table.write_text("path,group\n" + "".join(f"{prefix}{i}.mp4,{i // 2}\n" for i in range(8)))
    found = fold_videos(videos, num_folds=2, group=str(table), seed=0)
    assert (found.groups.by, found.groups.number) == ("films.csv", 4)
    table.write_text("path,group\na.mp4,0\n")
    with pytest.raises(GroupError, match="8 of 8 videos have no group"):
        fold_videos(videos, num_folds=2, group=str(table), seed=0)
