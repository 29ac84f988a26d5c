from math import nan

import numpy as np

from timesformer.datasets.annotations import LocatedClip
from timesformer.datasets.lists import read_kinetics
from timesformer.datasets.write_lists import write_lists


def test_what_is_written_is_read_back(tmp_path):
    out, elsewhere = tmp_path / "my lists", tmp_path / "videos"
    inside = LocatedClip(out / "a b/1.mp4", (2,), "train", nan, nan)
    part = LocatedClip(elsewhere / "2.mp4", (0,), "train", 1.5, 4.0)
    write_lists(out, {"train": [inside, part]}, ["zero", "one", "two"])
    read = read_kinetics(out, "train", prefix="", separator=" ", num_classes=3)
    assert (out / "train.csv").read_text().startswith("a b/1.mp4 2\n")  # moves with its folder
    assert read.name(0).endswith("a b/1.mp4")
    assert read.name(1) == str(elsewhere / "2.mp4")
    assert read.labels.tolist() == [2, 0]
    assert read.segment(0) is None
    assert np.allclose(read.segment(1), (1.5, 4.0))
    assert read.class_names == ("zero", "one", "two")
    assert not list(out.glob("*.partial"))


def test_several_labels_are_written_as_lists_have_them(tmp_path):
    write_lists(tmp_path, {"val": [LocatedClip(tmp_path / "1.mp4", (3, 7), "val", nan, nan)]}, ())
    assert (tmp_path / "val.csv").read_text() == "1.mp4 3;7\n"
    assert not (tmp_path / "classes.txt").exists()
