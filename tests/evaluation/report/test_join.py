"""Runs on the same videos: matched by path or by row, every difference named."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.evaluation.report.made import random_scores, write_csv
from timesformer.evaluation.report.join import (
    JoinError,
    failed_places,
    join,
    scored_places,
    with_equal_keys,
)
from timesformer.evaluation.report.predictions import read_predictions

LABELS, SCORES = random_scores(6, 3)
PATHS = [f"v{i}" for i in range(6)]


@pytest.fixture
def run(tmp_path):
    """A run with these videos; ``paths`` in any order."""

    def make(name, rows=range(6), **options):
        rows = list(rows)
        options = {"paths": [PATHS[i] for i in rows], **options}
        labels = options.pop("labels", LABELS[rows])
        scores = options.pop("scores", SCORES[rows])
        return read_predictions(write_csv(tmp_path / name / "p.csv", labels, scores, **options))

    return make


def error_of(runs, *, common=False):
    with pytest.raises(JoinError) as caught:
        join(runs, [f"run {i}" for i in range(len(runs))], common=common)
    return str(caught.value)


def test_videos_are_matched_by_path_in_the_order_of_the_first(run):
    a, b = run("a", [4, 1, 3, 0, 2, 5]), run("b")
    joined = join([a, b], ["a", "b"], common=False)
    assert joined[0].keys == joined[1].keys == a.keys
    assert np.array_equal(joined[0].scores, joined[1].scores)
    assert np.array_equal(joined[1].labels, LABELS[[4, 1, 3, 0, 2, 5]])


def test_a_video_without_scores_in_one_run_is_left_out_of_all(run):
    a, b = run("a", range(5), failed=["v5"]), run("b", [1, 2, 3, 4, 5], failed=["v0"])
    joined = join([a, b], ["a", "b"], common=False)
    assert joined[0].keys == joined[1].keys == ("v1", "v2", "v3", "v4")


def test_other_lists_are_refused_unless_only_common_videos_count(run):
    a, b = run("a", range(5)), run("b", [5, 4, 3, 2])
    assert error_of([a, b]) == (
        "run 0 and run 1 are of different lists: 2 only in run 0 (v0, v1); 1 only in run 1 (v5); "
        "--common takes the videos that all have"
    )
    assert join([a, b], ["a", "b"], common=True)[1].keys == ("v2", "v3", "v4")
    assert "2 only in run 1 (v0, v1)" in error_of([run("b", range(2, 5)), run("c", range(5))])


def test_lists_without_a_common_video_are_refused(run):
    a, b = run("a", range(3)), run("b", [3, 4, 5])
    assert error_of([a, b], common=True) == (
        "no video has scores in run 0 and run 1; a path must be written alike in all lists"
    )


def test_other_classes_are_refused(run):
    a = run("a", names=["x", "y", "z"])
    assert error_of([a, run("b", scores=np.eye(6)[:, :4] + 0.1)]) == (
        "run 0 and run 1 have 3 and 4 classes; name runs of the same classes"
    )
    assert error_of([a, run("b", names=["x", "z", "y"])]) == (
        "run 0 and run 1 have different classes: class 1 is y and z; name runs of the same classes"
    )
    assert len(join([a, run("b")], ["a", "b"], common=False)) == 2
    assert error_of([a, run("b", labels=np.eye(3)[LABELS] + [[0, 1, 0]] > 0)]) == (
        "of run 0 and run 1 one has several labels a video and the other one has not; name runs of one "
        "kind"
    )


def test_other_labels_are_refused(run):
    other = LABELS.copy()
    other[2] = (other[2] + 1) % 3
    assert error_of([run("a"), run("b", labels=other)]) == (
        "run 0 and run 1 have different labels for v2 (1 of 6 videos); test both on one list"
    )
    hot = np.eye(3)[LABELS] > 0
    hot[:2, :2] = True
    more = hot.copy()
    more[3] = True
    assert "different labels for v3 (1 of 6" in error_of(
        [run("a", labels=hot), run("b", labels=more)]
    )


def test_files_without_paths_are_matched_by_row(run, tmp_path):
    table = run("a", [0, 1, 2, 3], failed=["v4", "v5"])
    values = torch.from_numpy(SCORES).clone()
    values[1] = torch.nan
    labels = torch.from_numpy(LABELS)
    labels = torch.where(torch.arange(6) < 4, labels, 0)  # of the failures above
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([values, labels]))
    pickled = read_predictions(tmp_path / "a.pkl")
    for runs in ([table, pickled], [pickled, table]):
        joined = join(runs, ["a", "b"], common=False)
        assert joined[0].keys == joined[1].keys == ("row 0", "row 2", "row 3")
        assert np.allclose(joined[0].scores, joined[1].scores, atol=1e-5)
    assert with_equal_keys([table, pickled], "ab")[0].failures == (
        ("row 4", "broken file"),
        ("row 5", "broken file"),
    )
    assert failed_places(pickled).tolist() == [1]
    assert scored_places(replace(table, places=None)).tolist() == [0, 1, 2, 3]
    assert error_of([pickled, run("b", range(5))]) == (
        "run 0 has 6 videos and run 1 5, and one of them names no videos, so that rows cannot be matched; "
        "name files of one list"
    )
    message = error_of([pickled, run("b", [1, 0, 2, 3], failed=["v4", "v5"])])
    assert message.endswith("; rows are matched, since not all have paths; test both on one list")
