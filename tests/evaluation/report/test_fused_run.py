"""The folder of a fusion is like that of a test: it is read, compared and fused again."""

import csv
import json

import numpy as np
import pytest

from tests.evaluation.report.made import random_scores, write_csv
from timesformer.evaluation.compare import result_table
from timesformer.evaluation.report.fuse import fuse
from timesformer.evaluation.report.fused_run import check_folder, weights_line, write_run
from timesformer.evaluation.report.fusion_weights import FusionError
from timesformer.evaluation.report.predictions import LIMITED, read_predictions
from timesformer.evaluation.report.probabilities import score_kind
from timesformer.evaluation.report.report import build_report

NAMES = ["=sum", "jump, high", "run"]
FACTS = {"ensemble": "softmax", "views": 3, "attention_type": "space_only", "precision": "fp32",
         "list": "lists/test.csv", "protocol": "1 x 3", "seconds": 1.5}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    def make(name, *, seed=0, val=False, facts=FACTS, **options):
        labels, scores = random_scores(20, 3, seed=seed)
        options.setdefault("labels", random_scores(20, 3)[0])
        labels = options.pop("labels")
        for split in ("test", "val") if val else ("test",):
            write_csv(tmp_path / name / f"{split}_predictions.csv", labels, scores,
                      paths=[f"{split} {i}" for i in range(20)], failed=[f"{split} x"],
                      names=[] if labels.ndim == 2 else NAMES, **options)  # fmt: skip
            facts = {**facts, "weights": f"{name}.pyth"}
            (tmp_path / name / f"{split}_results.json").write_text(json.dumps(facts))
        return tmp_path / name

    return make


def files_of(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_fusion_is_read_as_a_test_is(run, tmp_path):
    a, b = run("a", val=True), run("b", seed=1, val=True, facts={**FACTS, "views": 4})
    fusion = fuse([a, b], weights=("7", "3"))
    results = write_run(tmp_path / "out", fusion)
    assert files_of(tmp_path / "out") == [
        *("test_classes.csv", "test_predictions.csv", "test_results.json"),
        *("val_classes.csv", "val_predictions.csv", "val_results.json"),
    ]
    found = read_predictions(tmp_path / "out")
    assert found.paths == tuple(f"test {i}" for i in range(20))
    assert found.names == tuple(NAMES)
    assert np.allclose(found.scores, fusion.test.probabilities, rtol=1e-5)
    assert found.failures == (("test x", f"no scores in {a}: broken file"),)
    assert score_kind(found).kind == "probabilities"
    assert found.record.num_views == 7
    assert read_predictions(tmp_path / "out", split="val").paths[0] == "val 0"
    head = (tmp_path / "out/test_predictions.csv").read_text().splitlines()[0]
    assert head == (
        "path,label,prediction,error,label_name,prediction_name,score_0,score_1,score_2"
    )
    assert json.loads((tmp_path / "out/test_results.json").read_text()) == results
    expected = 100 * (fusion.test.probabilities.argmax(1) == fusion.test.labels[:20]).mean()
    assert results["top1_acc"] == pytest.approx(expected)
    assert results["protocol"] == (
        f"fusion of class probabilities: 0.700 x {a} + 0.300 x {b} (given weights)"
    )
    assert {key: results[key] for key in FACTS if key not in ("protocol", "seconds")} == {
        **{key: FACTS[key] for key in ("attention_type", "precision", "list", "ensemble")},
        "views": 7,
    }
    assert (results["videos"], results["scored"], results["unreadable"]) == (21, 20, 1)
    assert results["weights"] == "a.pyth + b.pyth"
    assert [each["weight"] for each in results["fusion"]["runs"]] == pytest.approx([0.7, 0.3])
    assert results["fusion"]["runs"][1]["sha256"] == read_predictions(b).sha256
    val = json.loads((tmp_path / "out/val_results.json").read_text())
    assert (val["split"], results["split"]) == ("val", "test")
    assert val["weights"] == results["weights"]


def test_a_fusion_is_compared_and_fused_again(run, tmp_path):
    a, b = run("a"), run("b", seed=1)
    write_run(tmp_path / "ab", fuse([a, b]))
    assert "ab " in result_table([tmp_path / "ab"])
    again = fuse([tmp_path / "ab", run("c", seed=2)], weights=("2", "1"))
    at_once = fuse([a, b, tmp_path / "c"])
    assert np.allclose(again.test.probabilities, at_once.test.probabilities, atol=1e-5)


def test_the_classes_file_is_that_of_a_test(run, tmp_path):
    fusion = fuse([run("a"), run("b", seed=1)]).test
    write_run(tmp_path / "out", fuse([tmp_path / "a", tmp_path / "b"]))
    with (tmp_path / "out/test_classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["'=sum", "jump, high", "run"]
    predicted, labels = fusion.probabilities.argmax(1), fusion.labels[:20]
    for k, row in enumerate(rows):
        assert int(row["videos"]) == (labels == k).sum()
        assert int(row["right"]) == ((labels == k) & (predicted == k)).sum()


def test_several_labels_have_a_mean_average_precision(run, tmp_path):
    hot = np.eye(3)[random_scores(20, 3)[0]] + np.eye(3)[random_scores(20, 3, seed=5)[0]] > 0
    facts = {"map": 0.5, "ensemble": "sigmoid"}
    write_run(tmp_path / "out", fuse([run("a", labels=hot, facts=facts),
                                      run("b", seed=1, labels=hot, facts=facts)]))  # fmt: skip
    results = json.loads((tmp_path / "out/test_results.json").read_text())
    assert 0 < results["map"] < 1
    assert results["ensemble"] == "sigmoid"
    found = read_predictions(tmp_path / "out")
    assert np.array_equal(found.labels, hot)
    assert score_kind(found).kind == "probabilities"


def test_seconds_are_kept_and_unknown_ones_are_blank(run, tmp_path):
    spans = {
        "start_seconds": [str(i) for i in range(20)],
        "end_seconds": [str(i + 1) for i in range(20)],
    }
    write_run(tmp_path / "out", fuse([run("a", columns=spans), run("b")]))
    found = read_predictions(tmp_path / "out")
    assert found.spans[3].tolist() == [3, 4]
    assert np.isnan(found.durations).all()
    assert ",3.000,4.000,," in (tmp_path / "out/test_predictions.csv").read_text()


def test_a_limited_test_stays_one(run, tmp_path):
    a = run("a", facts={**FACTS, "limited": "8 videos"})
    assert write_run(tmp_path / "out", fuse([a, run("b")]))["limited"] == "8 videos"
    assert "limited" not in write_run(tmp_path / "o", fuse([tmp_path / "b", run("c")]))


def test_videos_that_limited_tests_left_out_are_not_unreadable(run, tmp_path):
    runs = [run(name, facts={**FACTS, "limited": "20 videos"}) for name in "ab"]
    for each in runs:
        file = each / "test_predictions.csv"
        file.write_text(file.read_text().replace("broken file", LIMITED))
    results = write_run(tmp_path / "out", fuse(runs))
    assert results["unreadable"] == 0
    videos = build_report(read_predictions(tmp_path / "out"))["videos"]
    assert (videos["unreadable"], videos["left_out"]) == (0, 1)


def test_files_of_other_programs_are_fused_with_what_is_known(tmp_path):
    labels, scores = random_scores(6, 3)
    files = [write_csv(tmp_path / f"{name}.csv", labels, scores) for name in "ab"]
    results = write_run(tmp_path / "out", fuse(files))
    assert (results["views"], results["precision"]) == (None, None)
    assert results["attention_type"] == "unknown"
    assert results["list"] == str(files[0])
    assert results["weights"] is None
    assert result_table([tmp_path / "out"])


def test_a_second_fusion_replaces_the_first_with_its_val(run, tmp_path):
    out = tmp_path / "out"
    a, b, c = run("a", val=True), run("b", seed=1, val=True), run("c", seed=2)
    write_run(out, fuse([a, b]))
    (out / "report").mkdir()
    check_folder(out, [a, c])
    (out / "report").rmdir()
    write_run(out, fuse([a, c]))
    assert files_of(out) == ["test_classes.csv", "test_predictions.csv", "test_results.json"]


def error_of(out, runs):
    with pytest.raises(FusionError) as caught:
        check_folder(out, runs)
    return str(caught.value)


def test_results_of_other_runs_are_never_overwritten(run, tmp_path):
    a, b, c = run("a"), run("b"), run("c")
    message = f"--out is {b}, one of the runs; name another folder"
    assert error_of(b, [a, b]) == error_of(b, [a, b / "test_predictions.csv"]) == message
    assert "one of the runs" in error_of(tmp_path / "a/../b", [a, b])
    assert error_of(c, [a, b]) == (
        f"--out is {c}, which holds the results of another run (test_predictions.csv); name another folder"
    )
    (tmp_path / "d").mkdir()
    check_folder(tmp_path / "d", [a, b])
    check_folder(tmp_path / "new", [a, b])
    (tmp_path / "d/config.yaml").write_text("")
    assert "another run (config.yaml); name another folder" in error_of(tmp_path / "d", [a, b])
    (tmp_path / "d/config.yaml").rename(tmp_path / "d/test_results.json")
    assert "another run (test_results.json)" in error_of(tmp_path / "d", [a, b])
    (tmp_path / "file").write_text("")
    assert error_of(tmp_path / "file", [a, b]) == (
        f"--out is {tmp_path}/file, which is a file; name a folder"
    )
    write_run(tmp_path / "ab", fuse([a, b]))
    assert "one of the runs" in error_of(tmp_path / "ab", [a, tmp_path / "ab"])


def test_the_line_says_weights_and_where_they_come_from(run):
    a, b = run("a", val=True), run("b", seed=1, val=True)
    assert weights_line(fuse([a, b]).test) == f"0.500 x {a} + 0.500 x {b} (equal weights)"
    line = weights_line(fuse([a, b], weights=("auto",)).test)
    assert "(weights fitted on 20 videos of val, log likelihood " in line


def test_a_fusion_never_replaces_its_own_val(run, tmp_path):
    out = tmp_path / "out"
    write_run(out, fuse([run("a", val=True), run("b", val=True)]))
    for name in ("test_predictions.csv", "val_predictions.csv"):
        with pytest.raises(FusionError, match="one of the runs; name another folder"):
            check_folder(out, [out / name, tmp_path / "a"])
