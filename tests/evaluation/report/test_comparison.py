"""Runs on the same videos: pairs against loops, alignment, and what cannot be compared."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tests.evaluation.report.made import random_scores, write_csv
from timesformer.evaluation.report.alignment import ComparisonError
from timesformer.evaluation.report.comparison import build_comparison
from timesformer.evaluation.report.predictions import read_predictions


def test_a_pair_is_counted_video_by_video(run):
    a, b = run("a"), run("b", seed=2, order=np.random.default_rng(0).permutation(200))
    found = build_comparison([a, b], names=["a", "b"])
    of_b = dict(zip(b.keys, b.predicted == b.labels, strict=True))
    cells = [(right, of_b[key]) for key, right in zip(a.keys, a.predicted == a.labels, strict=True)]
    pair = found["pairs"][0]
    for name, cell in (("both", (True, True)), ("only_a", (True, False)),
                       ("only_b", (False, True)), ("neither", (False, False))):  # fmt: skip
        assert pair[name] == cells.count(cell)
    assert pair["difference"] == pytest.approx((pair["only_a"] - pair["only_b"]) / 2)
    assert pair["interval"][0] < pair["difference"] < pair["interval"][1]
    assert pair["mcnemar_p"] == pair["mcnemar_p_holm"]
    for run_, each in zip(found["runs"], (a, b), strict=True):
        assert run_["accuracy"]["top1"]["value"] == pytest.approx(
            100 * (each.predicted == each.labels).mean()
        )
    for k, row in enumerate(found["per_class"]):
        assert row["accuracies"] == pytest.approx(
            [100 * (each.predicted == each.labels)[each.labels == k].mean() for each in (a, b)]
        )
    flips = found["flips"][0]
    for side, alone in (("only_a", (True, False)), ("only_b", (False, True))):
        expected = {key for key, cell in zip(a.keys, cells, strict=True) if cell == alone}
        assert len(flips[side]) == min(len(expected), 40)
        assert {item["path"] for item in flips[side]} <= expected
        surest = [
            item["b_confidence" if side == "only_a" else "a_confidence"] for item in flips[side]
        ]
        assert surest == sorted(surest, reverse=True)


def test_equal_runs_are_not_told_apart_and_better_ones_are(run):
    a = run("a")
    found = build_comparison([a, a], names=["a", "again"])["pairs"][0]
    assert (found["difference"], found["mcnemar_p"], found["p"]) == (0, 1, 1)
    assert found["verdict"].startswith("the videos do not tell a from again (95 % interval: ")
    best = random_scores(200, 4)[0]
    found = build_comparison([a, run("perfect", labels=best, seed=1)], names=["a", "p"])["pairs"][0]
    assert found["difference"] == 0
    right = read_predictions(
        write_csv(a.origin.parents[1] / "r.csv", best, np.eye(4)[best], paths=list(a.paths))
    )
    found = build_comparison([a, right], names=["a", "r"])["pairs"][0]
    assert found["verdict"].startswith("r is better than a by ")
    low, high = found["interval"]
    assert high < 0
    assert found["verdict"].endswith(f"difference: {-high:+.1f} .. {-low:+.1f} points)")


def test_several_pairs_are_adjusted_together(run):
    runs = [run(name, seed=seed) for seed, name in enumerate("abc", start=1)]
    pairs = build_comparison(runs, names=list("abc"))["pairs"]
    assert [(pair["a"], pair["b"]) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    exact = sorted(pair["mcnemar_p"] for pair in pairs)
    assert min(pair["mcnemar_p_holm"] for pair in pairs) == pytest.approx(min(3 * exact[0], 1))
    assert all(pair["p_holm"] >= pair["p"] for pair in pairs)


def test_groups_widen_the_interval(run):
    films = [str(i // 40) for i in range(200)]
    a, b = (run(name, seed=seed, columns={"film": films}) for seed, name in ((1, "a"), (2, "b")))
    plain = build_comparison([a, b], names=["a", "b"])["pairs"][0]
    grouped = build_comparison([a, b], names=["a", "b"], group="film")
    assert grouped["groups"] == {"by": "film", "count": 5}
    assert grouped["pairs"][0]["method"] == "Student's t, 5 groups"
    assert grouped["pairs"][0]["difference"] == plain["difference"]


def test_several_labels_are_compared_by_their_precision(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.random((150, 4)) < 0.3
    labels[0, :2] = True
    runs, values = [], []
    for name, noise in (("a", 0.5), ("b", 1.5)):
        scores = labels + noise * rng.normal(size=labels.shape)
        runs.append(
            read_predictions(write_csv(tmp_path / name / "test_predictions.csv", labels, scores))
        )
        stored = runs[-1].scores
        values.append(
            np.mean([average_precision_score(labels[:, k], stored[:, k]) for k in range(4)])
        )
    found = build_comparison(runs, names=["a", "b"])
    pair = found["pairs"][0]
    assert found["metric"] == "map"
    assert pair["difference"] == pytest.approx(100 * (values[0] - values[1]))
    assert pair["interval"][0] > 0
    assert (pair["mcnemar_p"], found["flips"]) == (None, [])
    single = write_csv(tmp_path / "s.csv", np.arange(150) % 4, labels.astype(float))
    with pytest.raises(ComparisonError, match="one has several labels a video, the other one"):
        build_comparison([runs[0], read_predictions(single)], names=["a", "s"])


def test_any_run_may_have_the_groups(tmp_path):
    labels, scores = random_scores(40, 3)
    film = [str(i // 4) for i in range(40)]
    a = read_predictions(write_csv(tmp_path / "a.csv", labels, scores))
    b = read_predictions(write_csv(tmp_path / "b.csv", labels, scores, columns={"film": film}))
    found = build_comparison([a, b], names=["a", "b"], group="film")
    assert found["groups"] == {"by": "film", "count": 10}
