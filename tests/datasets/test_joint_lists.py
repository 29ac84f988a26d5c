import numpy as np
import pytest

from timesformer.datasets.joint_lists import by_name, count_classes, join, joined_flip_map, places
from timesformer.datasets.lists import PackedStrings, VideoList


@pytest.fixture
def lists():
    first = VideoList(PackedStrings(["a", "b"]), np.array([1, 0]), "first.csv", ("x", "y"))
    times = np.array([[np.nan, np.nan], [1.0, 2.0], [0.0, 3.0]])
    extra = VideoList(PackedStrings(["c", "a", "d"]), np.array([2, 0, 3]), "extra.csv", (), times)
    return {"train": first, "extra": extra}


def test_videos_and_labels_follow_each_other(lists):
    joined = join(lists.values(), 2)
    assert [joined.name(i) for i in range(5)] == ["a", "b", "c", "a", "d"]
    assert joined.labels.tolist() == [1, 0, 4, 2, 5]
    assert [joined.segment(i) for i in range(5)] == [None, None, None, (1, 2), (0, 3)]
    assert (joined.origin, joined.class_names) == ("first.csv", ("x", "y"))
    assert by_name(joined) == lists
    assert [(name, start) for name, _, start in places(lists)] == [("train", 0), ("extra", 2)]


def test_one_list_is_itself(lists):
    first = lists["train"]
    assert join([first], 2) is first
    assert by_name(first) == {"train": first}


def test_classes_are_those_that_are_named_else_those_of_the_labels(lists):
    assert count_classes(lists["train"]) == 2
    assert count_classes(lists["extra"]) == 4


def test_a_flip_keeps_labels_of_the_second(lists):
    joined, opposite = join(lists.values(), 2), np.array([1, 0])
    assert joined_flip_map(opposite, joined).tolist() == [1, 0, 2, 3, 4, 5]
    assert joined_flip_map(None, joined) is None
    assert joined_flip_map(opposite, lists["train"]) is opposite
