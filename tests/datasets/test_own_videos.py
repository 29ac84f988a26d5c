"""A folder of lists is taken as it is, one without is split by its class folders."""

from math import isnan, nan
from pathlib import Path

import pytest

from timesformer.datasets.annotations import LocatedClip
from timesformer.datasets.list_text import ListError
from timesformer.datasets.own_videos import own_videos
from timesformer.datasets.write_lists import write_lists


@pytest.fixture
def lists(tmp_path):
    """Two segments of one film and a video for training, another for validation."""
    for name in ("film.mp4", "a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    parts = {
        "train": [
            LocatedClip(tmp_path / "film.mp4", (1,), "train", 0.5, 2.25),
            LocatedClip(tmp_path / "film.mp4", (2,), "train", 3.0, 4.0),
            LocatedClip(tmp_path / "a.mp4", (0,), "train", nan, nan),
        ],
        "val": [LocatedClip(tmp_path / "b.mp4", (1,), "val", nan, nan)],
    }
    write_lists(tmp_path / "lists", parts, ("up", "down", "background"))
    return tmp_path / "lists", parts


def test_lists_keep_their_splits_segments_and_names(lists):
    folder, parts = lists
    found = own_videos(folder, "", seed=0)
    assert found.class_names == ("up", "down", "background")
    assert found.parts["train"][:2] == parts["train"][:2]
    assert found.parts["train"][2][:3] == parts["train"][2][:3]
    assert isnan(found.parts["train"][2].start)
    assert found.parts["val"] == found.parts["test"]
    assert found.parts["val"][0].path == parts["val"][0].path
    assert found.remarks == [f"lists: those of {folder}"]
    (folder / "names.txt").write_text("x\ny\nz\n")
    assert own_videos(folder, str(folder / "names.txt"), seed=0).class_names == ("x", "y", "z")


def test_lists_that_cannot_be_used_are_named(lists):
    folder, _ = lists
    with (folder / "train.csv").open("a") as file:
        file.write("nothing\n")
    with pytest.raises(ListError, match=r"train.csv:4: 'nothing' is not `path label`"):
        own_videos(folder, "", seed=0)
    (folder / "classes.txt").unlink()
    with pytest.raises(
        ListError, match=r"has lists but no classes.txt; write one, a name a line, or"
    ):
        own_videos(folder, "", seed=0)


def test_a_list_for_training_alone_is_not_enough(lists):
    folder, _ = lists
    (folder / "val.csv").unlink()
    with pytest.raises(ListError, match="no video for val"):
        own_videos(folder, "", seed=0)


def test_without_lists_the_class_folders_count(tmp_path):
    for name in ("run/a.mp4", "run/b.mp4", "sit/a.mp4", "sit/b.mp4"):
        Path(tmp_path, name).parent.mkdir(exist_ok=True)
        Path(tmp_path, name).touch()
    assert own_videos(tmp_path, "", seed=0).class_names == ("run", "sit")
