"""Videos of several runs brought together, and runs that do not fit together."""

from dataclasses import replace

import numpy as np
import pytest

from tests.evaluation.report.made import random_scores
from timesformer.evaluation.report.alignment import ComparisonError
from timesformer.evaluation.report.comparison import build_comparison


def test_videos_that_one_run_could_not_read_are_counted(run):
    a, b = run("a", failed=["extra.mp4"]), run("b", seed=2, failed=["extra.mp4"])
    assert build_comparison([a, b], names=["a", "b"])["only_in"] == {"a": 1, "b": 1}


def test_common_videos_are_compared_on_demand(run):
    a, b = run("a", order=np.arange(150)), run("b", seed=2, order=np.arange(100, 200))
    message = (
        r"a and b are of different lists: 100 only in a \(videos/0.mp4, .*\); 50 only in b "
        r"\(videos/150.mp4, .*\); --common takes the videos that all have"
    )
    with pytest.raises(ComparisonError, match=message):
        build_comparison([a, b], names=["a", "b"])
    found = build_comparison([a, b], names=["a", "b"], common=True)
    assert (found["videos"], found["only_in"]) == (50, {"a": 100, "b": 50})


def test_a_file_that_names_no_videos_is_compared_row_by_row(run):
    a, b = run("a", failed=["x.mp4"]), run("b", seed=2, failed=["x.mp4"])
    rows = tuple(f"row {i}" for i in range(200))
    nameless = replace(b, keys=rows, paths=rows, failures=(("row 200", "none"),), has_paths=False)
    expected = build_comparison([a, b], names=["a", "b"])
    found = build_comparison([a, nameless], names=["a", "b"])
    assert found["pairs"] == expected["pairs"]
    assert found["flips"] == expected["flips"]
    assert build_comparison([nameless, nameless], names=["b", "c"])["videos"] == 200
    with pytest.raises(ComparisonError, match="b names no videos and has 200 rows, but a has 201"):
        build_comparison([a, replace(nameless, failures=())], names=["a", "b"])


def test_what_differs_is_named(run):
    a = run("a")
    with pytest.raises(ComparisonError, match="a and b have 4 and 3 classes"):
        build_comparison([a, run("b", num_classes=3)], names=["a", "b"])
    for names, other in ((["w", "x", "y", "z"], ["w", "x", "Y", "z"]),):
        pair = [run("a", names=names), run("b", names=other)]
        with pytest.raises(ComparisonError, match="different classes: class 2 is y and Y"):
            build_comparison(pair, names=["a", "b"])
    labels = random_scores(200, 4)[0]
    labels[7] = (labels[7] + 1) % 4
    with pytest.raises(ComparisonError, match=r"different labels for videos/7.mp4 \(1 of 200"):
        build_comparison([a, run("b", labels=labels)], names=["a", "b"])
    elsewhere = run("c", order=np.arange(100)), run("d", order=np.arange(100, 200))
    with pytest.raises(ComparisonError, match="no video has scores in c and d"):
        build_comparison(list(elsewhere), names=["c", "d"], common=True)
    with pytest.raises(ComparisonError) as caught:
        build_comparison(list(elsewhere), names=["c", "d"])
    assert str(caught.value) == (
        "c and d have no path in common (videos/0.mp4 and videos/100.mp4); a path must be written alike "
        "in all lists"
    )
