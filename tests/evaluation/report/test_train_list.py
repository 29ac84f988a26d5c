"""Training videos of each class."""

from dataclasses import replace

import pytest

from tests.evaluation.report.made import random_scores, write_csv
from timesformer.datasets.list_text import ListError
from timesformer.evaluation.report.predictions import read_predictions
from timesformer.evaluation.report.records import RunRecord
from timesformer.evaluation.report.train_list import find_train_list, read_train_list


@pytest.fixture
def made(tmp_path):
    labels, scores = random_scores(9, 3)
    found = read_predictions(write_csv(tmp_path / "p.csv", labels, scores))
    config = {
        "DATA": {"PATH_TO_DATA_DIR": str(tmp_path), "PATH_LABEL_SEPARATOR": ","},
        "TRAIN": {"DATASET": "kinetics"},
    }
    return replace(found, record=RunRecord(config=config))


def test_videos_are_counted_though_they_are_gone(made, tmp_path):
    assert find_train_list(made) is None
    (tmp_path / "train.csv").write_text("# a comment\na b.mp4,0\ngone.mp4,2\nc.mp4,2\n")
    found = read_train_list(find_train_list(made), made)
    assert found.videos.tolist() == [1, 0, 2]
    assert found.origin == str(tmp_path / "train.csv")


def test_a_label_of_other_classes_is_named(made, tmp_path):
    (tmp_path / "train.csv").write_text("a.mp4,3\n")
    with pytest.raises(ListError, match=r"train.csv:1: .*3"):
        read_train_list(tmp_path / "train.csv", made)
