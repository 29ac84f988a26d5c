"""Groups by column, by names, by file and by a table."""

import numpy as np
import pytest

from tests.evaluation.report.made import random_scores, write_csv
from timesformer.evaluation.report.groups import GroupError, find_groups
from timesformer.evaluation.report.predictions import read_predictions


@pytest.fixture
def written(tmp_path):
    def write(paths, **columns):
        labels, scores = random_scores(len(paths), 3)
        return read_predictions(
            write_csv(
                tmp_path / "test_predictions.csv", labels, scores, paths=paths, columns=columns
            )
        )

    return write


UCF = [f"data/v_{name}_g{g:02d}_c{c:02d}.avi" for name in ("Archery", "Bowling") for g in (1, 2)
       for c in (1, 2, 3)]  # fmt: skip


def test_names_of_ucf101_are_groups_by_themselves(written):
    found = find_groups(written(UCF))
    assert (found.by, found.number) == ("ucf101", 4)
    assert found.codes.tolist() == np.repeat(range(4), 3).tolist()


def test_other_names_are_no_groups(written):
    assert find_groups(written([*UCF[:5], "other.avi"])) == (None, None)
    assert find_groups(written(UCF[::3])) == (None, None)  # each group has one clip
    assert find_groups(written(UCF), "none") == (None, None)


def test_a_column_holds_groups(written):
    found = find_groups(written(["a", "b", "c"], film=["Alien", "Brazil", "Alien"]), "film")
    assert (found.by, found.codes.tolist(), found.number) == ("film", [0, 1, 0], 2)


def test_parts_of_a_file_are_one_group(written):
    paths = ["a.mp4", "b.mp4", "a.mp4"]
    spans = {"start_seconds": [0, 0, 5], "end_seconds": [4, 4, 9]}
    for by in ("auto", "file"):
        found = find_groups(written(paths, **spans), by)
        assert (found.by, found.codes.tolist()) == ("file", [0, 1, 0])


def test_a_table_holds_groups(written, tmp_path):
    table = tmp_path / "films.csv"
    table.write_text("path,group\nb,1\na,0\nc,1\n")
    found = find_groups(written(["a", "b", "c"]), str(table))
    assert (found.by, found.codes.tolist()) == ("films.csv", [0, 1, 1])


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("flim", r"no such column \(it has film\); name a column, a CSV with"),
        ("ucf101", "3 of 3 videos have no group; the first is a"),
        ("film", "1 of 3 videos have no group; the first is b"),
        ("absent.csv", "absent.csv: No such file"),
        ("empty.csv", "needs the columns path and group"),
        ("short.csv", "2 of 3 videos have no group; the first is b; give every video its group"),
        ("twice.csv", "twice.csv: a is in the groups 1 and 2; a video has one group, so remove a"),
    ],
)
def test_groups_that_are_missing_are_named(written, by, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "short.csv").write_text("path,group\na,1\n")
    (tmp_path / "torn.csv").write_text("group,path\n1\n")
    (tmp_path / "huge.csv").write_text(f"path,group\na,{'x' * 200_000}\n")
    (tmp_path / "twice.csv").write_text("path,group\na,1\nb,1\na,2\nc,1\na,1\n")
    with pytest.raises(GroupError, match=message):
        find_groups(written(["a", "b", "c"], film=["x", "", "y"]), by)
