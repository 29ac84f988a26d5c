"""Late fusion: the naive weighted mean, of the videos that all runs scored, with weights of val alone."""

import json
import pickle

import numpy as np
import pytest
import torch

from tests.evaluation.report.made import random_scores, softmax, write_csv
from timesformer.evaluation.report.alignment import ComparisonError
from timesformer.evaluation.report.fuse import fuse
from timesformer.evaluation.report.fusion_weights import FusionError
from timesformer.evaluation.report.predictions import PredictionsError


@pytest.fixture
def run(tmp_path):
    """Make a run with a test, and with val where asked."""

    def make(name, *, seed=0, val=False, results=None, num_videos=30, **options):
        labels, _ = random_scores(num_videos, 3)
        for split in ("test", "val") if val else ("test",):
            rng = np.random.default_rng(seed + (100 if split == "val" else 0))
            logits = rng.normal(size=(num_videos, 3))
            logits[np.arange(num_videos), labels] += 1
            paths = [f"{split}/{i}.mp4" for i in range(num_videos)]
            options.setdefault("digits", 17)
            write_csv(tmp_path / name / f"{split}_predictions.csv", labels, softmax(logits),
                      **{"paths": paths, **options})  # fmt: skip
            (tmp_path / name / f"{split}_results.json").write_text(
                json.dumps(
                    {"ensemble": "softmax", "views": 2, "weights": f"{name}.pyth"} | (results or {})
                )
            )
        return tmp_path / name

    return make


def scores_of(folder, split="test"):
    rows = [
        line.split(",") for line in (folder / f"{split}_predictions.csv").read_text().split()[1:]
    ]
    return {row[0]: np.array([float(cell) for cell in row[-3:]]) for row in rows if not row[3]}


@pytest.mark.parametrize(
    ("weights", "naive"), [((), [1 / 2, 1 / 2]), (("7", "3"), [0.7, 0.3]), (("0", "1"), [0, 1])]
)
def test_a_fusion_is_the_weighted_mean(run, weights, naive):
    a, b = run("a"), run("b", seed=1)
    found = fuse([a, b], weights=weights).test
    of_a, of_b = scores_of(a), scores_of(b)
    assert found.paths == tuple(of_a)
    assert found.indices.tolist() == list(range(30))
    for path, row in zip(found.paths, found.probabilities, strict=True):
        assert row == pytest.approx(naive[0] * of_a[path] + naive[1] * of_b[path], abs=1e-12)
    assert found.weights.values == pytest.approx(naive)


def test_logits_become_probabilities_first(run):
    a = run("a")
    b = run("b", seed=1, results={"ensemble": "sum", "views": 4})
    found = fuse([a, b]).test
    for path, row in zip(found.paths, found.probabilities, strict=True):
        assert row == pytest.approx((scores_of(a)[path] + softmax(scores_of(b)[path] / 4)) / 2)


def test_the_list_is_that_of_the_first_run_with_what_others_could_not_read(run, tmp_path):
    labels, scores = random_scores(4, 3)
    spans = {
        "start_seconds": list("0123"),
        "end_seconds": list("4567"),
        "duration_seconds": ["9"] * 4,
    }
    write_csv(tmp_path / "a/p.csv", labels, scores, paths=list("wxyz"), failed=["v"], columns=spans)
    write_csv(tmp_path / "b/p.csv", labels[:3], scores[:3], paths=list("wxy"), failed=["z", "v"])
    found = fuse([tmp_path / "a/p.csv", tmp_path / "b/p.csv"]).test
    assert found.paths == ("w", "x", "y", "z", "v")
    assert found.indices.tolist() == [0, 1, 2]
    assert found.labels.tolist() == [*labels, 0]
    assert found.failures == {
        3: f"no scores in {tmp_path}/b/p.csv: broken file",
        4: f"no scores in {tmp_path}/a/p.csv: broken file",
    }
    assert found.spans == {0: (0, 4, 9), 1: (1, 5, 9), 2: (2, 6, 9)}


def test_common_videos_alone_are_fused_where_that_is_asked(tmp_path):
    labels, scores = random_scores(5, 3)
    a = write_csv(tmp_path / "a/p.csv", labels[:4], scores[:4], paths=list("vwxy"), failed=["f"])
    b = write_csv(tmp_path / "b/p.csv", labels[[4, 3, 1]], scores[[4, 3, 1]], paths=list("zyw"))
    with pytest.raises(ComparisonError, match="--common takes the videos that all have"):
        fuse([a, b])
    found = fuse([a, b], common=True).test
    assert found.paths == ("w", "y")
    assert found.labels.tolist() == labels[[1, 3]].tolist()
    assert np.allclose(found.probabilities, scores[[1, 3]], atol=1e-5)
    assert found.failures == {}


@pytest.mark.parametrize("first", [0, 1])
def test_a_pickle_without_paths_takes_those_of_the_others(tmp_path, first):
    labels, scores = random_scores(4, 3)
    table = write_csv(tmp_path / "p.csv", labels, scores, paths=list("wxyz"))
    pickled = tmp_path / "a.pkl"
    values = torch.from_numpy(scores[:, ::-1].copy())
    values[1] = torch.nan
    pickled.write_bytes(pickle.dumps([values, torch.from_numpy(labels)]))
    found = fuse([[table, pickled], [pickled, table]][first]).test
    assert found.paths == tuple("wxyz")
    assert found.indices.tolist() == [0, 2, 3]
    assert found.failures == {1: f"no scores in {pickled}: no scores in the file"}
    expected = (scores + scores[:, ::-1])[[0, 2, 3]] / 2
    assert np.allclose(found.probabilities, expected, atol=1e-5)


def test_several_labels_are_fused_class_by_class(tmp_path):
    hot = np.array([[1, 1, 0], [0, 0, 0], [0, 0, 1]], dtype=bool)
    rng = np.random.default_rng(0)
    scores = rng.random((2, 3, 3))
    for name, values in zip("ab", scores, strict=True):
        write_csv(tmp_path / name / "test_predictions.csv", hot, values, digits=17)
        (tmp_path / name / "test_results.json").write_text('{"map": 0.5, "ensemble": "sigmoid"}')
    found = fuse([tmp_path / "a", tmp_path / "b"], weights=("1", "3")).test
    assert found.labels.tolist() == hot.tolist()
    assert np.allclose(found.probabilities, 0.25 * scores[0] + 0.75 * scores[1])


def test_val_is_fused_where_all_runs_have_it(run):
    a, b = run("a", val=True), run("b", seed=1, val=True)
    found = fuse([a, b], weights=("1", "3"))
    assert found.val.paths[0] == "val/0.mp4"
    expected = 0.25 * scores_of(a, "val")["val/0.mp4"] + 0.75 * scores_of(b, "val")["val/0.mp4"]
    assert found.val.probabilities[0] == pytest.approx(expected)
    assert found.why_no_val == ""
    assert fuse([a, run("c")])[1:] == (None, "")


def test_val_of_other_lists_is_not_fused_and_the_reason_is_said(run):
    a, b = run("a", val=True), run("b", val=True)
    (b / "val_predictions.csv").write_text("path,label,score_0,score_1,score_2\nx,0,1,0,0\n")
    found = fuse([a, b])
    assert found.val is None
    assert "have no path in common (val/0.mp4 and x)" in found.why_no_val


def test_fitted_weights_do_not_depend_on_the_test(run):
    a, b = run("a", val=True), run("b", seed=1, val=True)
    found = fuse([a, b], weights=("auto",))
    file = b / "test_predictions.csv"
    text = file.read_text().splitlines()
    file.write_text("\n".join([text[0], *(",".join([*line.split(",")[:2], "2", "", "0", "0", "1"])
                                          for line in text[1:])]))  # fmt: skip
    again = fuse([a, b], weights=("auto",))
    assert again.test.weights == found.test.weights == found.val.weights
    assert "fitted on 30 videos of val" in found.test.weights.how


def error_of(runs, kind=FusionError, **options):
    with pytest.raises(kind) as caught:
        fuse(runs, **options)
    return str(caught.value)


def test_runs_that_cannot_be_fused_are_named(run, tmp_path):
    a, b = run("a"), run("b")
    assert error_of([a]) == "1 run; a fusion needs 2 or more"
    assert error_of([a, tmp_path / "b/../a"]) == (
        f"{tmp_path}/b/../a/test_predictions.csv is named twice; give it a larger weight instead"
    )
    assert "test_predictions.csv does not exist" in error_of([a, tmp_path], PredictionsError)
    assert error_of([a, b], weights=("1",)) == "--weights has 1 numbers for 2 runs; give one each"
    c = write_csv(tmp_path / "c.csv", *random_scores(30, 4))
    assert "have 3 and 4 classes" in error_of([a, c], ComparisonError)


def test_fitting_needs_val_of_all_runs(run, tmp_path):
    a, b = run("a", val=True), run("b", seed=1)
    error = error_of([a, b], weights=("auto",))
    assert error.endswith("never on test; put it there, or give numbers as --weights")
    (b / "config.yaml").write_text("")
    assert error_of([a, b], weights=("auto",)) == (
        f"{b}/val_predictions.csv does not exist, and weights are fitted on val, never on test; make it "
        f"by timesformer test --cfg {b}/config.yaml TEST.SPLIT val"
    )
    c = write_csv(
        tmp_path / "a/c.csv", *random_scores(30, 3), paths=[f"test/{i}.mp4" for i in range(30)]
    )
    assert error_of([a, c], weights=("auto",)) == (
        f"{c} is a file alone, and weights are fitted on the val predictions in the OUTPUT_DIR of a run; "
        "name folders, or give numbers as --weights"
    )


def test_val_that_holds_videos_of_the_test_is_refused(run):
    a, b = run("a", val=True), run("b", seed=1, val=True)
    (b / "val_predictions.csv").write_text((b / "test_predictions.csv").read_text())
    assert error_of([a, b], weights=("auto",)) == (
        f"{b}/val_predictions.csv holds 30 videos of the test (test/0.mp4), and weights are never fitted "
        "on the test; test with another list as TEST.SPLIT val"
    )


def test_val_of_other_videos_classes_or_weights_is_refused(run):
    a, b = run("a", val=True), run("b", seed=1, val=True)
    file = b / "val_predictions.csv"
    content = file.read_text()
    file.write_text("\n".join(content.splitlines()[:-1]))
    assert error_of([a, b], ComparisonError, weights=("auto",)) == (
        f"{a}/val_predictions.csv and {b}/val_predictions.csv are of different lists: 1 only in "
        f"{a}/val_predictions.csv (val/29.mp4); --common takes the videos that all have"
    )
    found = fuse([a, b], weights=("auto",), common=True)
    assert "fitted on 29 videos of val" in found.test.weights.how
    assert len(found.val.paths) == 29
    write_csv(file, *random_scores(30, 4))
    assert error_of([a, b], weights=("auto",)) == (
        f"{file} has 4 classes and {b}/test_predictions.csv 3; test both lists with the same weights"
    )
    file.write_text(content)
    (b / "val_results.json").write_text('{"weights": "older.pyth"}')
    assert error_of([a, b], weights=("auto",)) == (
        f"{b} was tested on val with older.pyth and on test with b.pyth; test both lists with the same "
        "weights"
    )
    (b / "val_results.json").write_text('{"weights": "moved/since/b.pyth"}')
    assert fuse([a, b], weights=("auto",)).val is not None
