"""Scores that survive an interruption, and those that do not count."""

import numpy as np

from timesformer.detection import unfinished
from timesformer.detection.unfinished import Unfinished, file_identity


def test_rows_are_kept_for_the_same_work_alone(tmp_path):
    first = Unfinished(tmp_path / "film", {"stride": 1.0})
    first.add("d", 3, np.array([0.5, 1.5], np.float32))
    first.add("d", 1, np.array([2.5, 3.5], np.float32))
    first.write()
    again = Unfinished(tmp_path / "film", {"stride": 1.0}).done["d"]
    assert {number: row.tolist() for number, row in again.items()} == {1: [2.5, 3.5], 3: [0.5, 1.5]}
    assert list(Unfinished(tmp_path / "film", {"stride": 1.0}).done) == ["d"]
    assert Unfinished(tmp_path / "film", {"stride": 2.0}).done == {}
    first.add("other windows", 0, np.zeros(2, np.float32))  # of another scale, or of other frames
    first.write()
    both = Unfinished(tmp_path / "film", {"stride": 1.0}).done
    assert {digest: list(rows) for digest, rows in both.items()} == {
        "d": [3, 1],
        "other windows": [0],
    }
    first.path.write_bytes(b"PK\x03\x04 torn")
    assert Unfinished(tmp_path / "film", {"stride": 1.0}).done == {}
    first.remove()
    assert not list(tmp_path.iterdir())


def test_they_reach_the_disk_from_time_to_time(tmp_path, monkeypatch):
    monkeypatch.setattr(unfinished, "SECONDS", 0.0)
    Unfinished(tmp_path / "film", {}).add("d", 0, np.zeros(2, np.float32))
    assert list(Unfinished(tmp_path / "film", {}).done["d"]) == [0]


def test_nothing_is_written_of_nothing(tmp_path):
    Unfinished(tmp_path / "film", {}).write()
    assert not list(tmp_path.iterdir())


def test_a_file_that_changes_is_another_one(tmp_path):
    (tmp_path / "a").write_text("1")
    before = file_identity(tmp_path / "a")
    (tmp_path / "a").write_text("12")
    assert file_identity(tmp_path / "a") != before
    assert file_identity(tmp_path) == {"path": str(tmp_path)}
