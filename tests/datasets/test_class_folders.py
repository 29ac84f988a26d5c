"""Class folders as lists, which stay the same."""

import pytest

from timesformer.datasets.class_folders import keep_lists, split_class_folders
from timesformer.datasets.list_text import ListError


@pytest.fixture
def folder(tmp_path):
    for name in ("run", "sit"):
        (tmp_path / name).mkdir()
        for number in range(5):
            (tmp_path / name / f"{number}.mp4").touch()
    return tmp_path


def test_every_class_is_in_every_split_by_the_seed(folder):
    found = split_class_folders(folder, "", seed=0)
    assert found.class_names == ("run", "sit")
    for part in found.parts.values():
        assert {entry.labels for entry in part} == {(0,), (1,)}
    assert split_class_folders(folder, "", seed=0) == found


def test_lists_of_other_videos_are_not_written_over(folder, tmp_path):
    found = split_class_folders(folder, "", seed=0)
    for _ in range(2):
        keep_lists(tmp_path / "lists", found.parts, found.class_names)
    found.parts["train"].pop()
    with pytest.raises(ListError, match="was written for other videos or another --seed"):
        keep_lists(tmp_path / "lists", found.parts, found.class_names)
