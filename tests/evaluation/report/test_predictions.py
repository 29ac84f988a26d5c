"""Predictions of what a test writes, of other programs, and of files that are none."""

import csv
import hashlib
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from tests.conftest import ROOT
from tests.evaluation.report.made import random_scores, write_csv
from timesformer.datasets.lists import PackedStrings, VideoList
from timesformer.evaluation import results
from timesformer.evaluation.loop import Scores
from timesformer.evaluation.report.predictions import (
    PredictionsError,
    assemble,
    read_predictions,
)
from timesformer.evaluation.report.records import UNKNOWN
from timesformer.video import TimeSpan

ODD = ["=1+1.mp4", "'quoted.mp4", "-3", "a, \"b\".mp4", "two\nlines.mp4", "日本.mp4",
       os.fsdecode(b"caf\xe9.mp4"), " blank .mp4", "@x"]  # fmt: skip


def made_scores(num_videos, num_classes, *, failures=None, spans=None, hot=None, seed=0):
    """Scores of a test without the videos of ``failures``."""
    generator = torch.Generator().manual_seed(seed)
    indices = torch.tensor([i for i in range(num_videos) if i not in (failures or {})])
    values = torch.rand(len(indices), num_classes, generator=generator)
    labels = indices % num_classes if hot is None else torch.from_numpy(hot)[indices]
    return Scores(values, labels, indices, failures or {}, spans or {})


def listed(paths, num_classes, hot=None):
    labels = np.arange(len(paths)) % num_classes if hot is None else hot
    return VideoList(PackedStrings(paths), labels, "test.csv")


def test_what_a_test_writes_is_read_back_with_every_name(tmp_path):
    scores = made_scores(len(ODD), 3, failures={2: 'no frame, "half"', 8: "=cut off"})
    names = ("=sum", 'it\'s, "so"', "'run")
    results.write_predictions(tmp_path / "test_predictions.csv", scores, listed(ODD, 3), names)
    found = read_predictions(tmp_path)
    kept = [i for i in range(len(ODD)) if i not in scores.failures]
    assert found.paths == found.keys == tuple(ODD[i] for i in kept)
    assert found.labels.tolist() == [i % 3 for i in kept]
    assert np.allclose(found.scores, scores.values.numpy(), rtol=1e-5)
    assert found.predicted.tolist() == scores.values.argmax(dim=1).tolist()
    assert found.names == names
    assert found.failures == ((ODD[2], 'no frame, "half"'), (ODD[8], "=cut off"))
    assert found.failed_paths == (ODD[2], ODD[8])
    assert found.failed_labels.tolist() == [2, 2]
    assert found.places.tolist() == kept
    assert found.spans is None
    assert (found.total, found.num_classes, found.is_multi_label) == (len(ODD), 3, False)
    assert found.has_paths
    content = (tmp_path / "test_predictions.csv").read_bytes()
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert found.origin == tmp_path / "test_predictions.csv"
    assert found.columns == {}


def test_the_csv_is_that_of_the_writer_of_python(tmp_path):
    """Rows are formatted at once; the bytes are those of a value at a time."""
    values = torch.tensor([[1e-9, -0.5, 3], [1 / 3, 12345678.0, 0], [-1e-30, 1, 2]])
    scores = Scores(values, torch.arange(3), torch.arange(3), {3: "broken"}, {})
    paths = [*ODD[3:6], ODD[0]]
    results.write_predictions(tmp_path / "p.csv", scores, listed(paths, 3))
    with (tmp_path / "naive.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "prediction", "error", "score_0", "score_1", "score_2"])
        for i, row in enumerate(values.tolist()):
            cells = [paths[i], i % 3, int(values[i].argmax()), "", *(f"{each:.6g}" for each in row)]
            writer.writerow(cells)
        writer.writerow(["'" + paths[3], 0, "", "broken", "", "", ""])
    assert (tmp_path / "p.csv").read_bytes() == (tmp_path / "naive.csv").read_bytes()


def test_a_test_of_the_first_version_is_read(tmp_path):
    """It had neither names nor seconds: path, label, prediction, error, scores."""
    scores = made_scores(5, 3, failures={1: "broken"})
    results.write_predictions(tmp_path / "p.csv", scores, listed(list("abcde"), 3))
    assert (tmp_path / "p.csv").read_text().startswith("path,label,prediction,error,score_0,")
    found = read_predictions(tmp_path / "p.csv")
    assert found.paths == tuple("acde")
    assert (found.names, found.spans) == ((), None)
    assert found.name(2) == "class 2"


def test_spans_and_parts_of_one_file_are_read(tmp_path):
    spans = {0: TimeSpan(0.0, 1.25, 9.0), 1: TimeSpan(4.0, 5.25, 9.0), 2: None, 3: None}
    scores = made_scores(4, 3, failures={3: "broken"}, spans=spans)
    results.write_predictions(
        tmp_path / "p.csv", scores, listed(["a", "a", "b", "a"], 3), list("xyz")
    )
    found = read_predictions(tmp_path / "p.csv")
    assert found.paths == ("a", "a", "b")
    assert found.keys == ("a (1 of 3)", "a (2 of 3)", "b")
    assert found.failures == (("a (3 of 3)", "broken"),)
    assert (found.failed_paths, found.failed_labels.tolist()) == (("a",), [0])
    assert np.array_equal(found.durations, [9, 9, np.nan], equal_nan=True)
    assert np.array_equal(found.spans, [[0, 1.25], [4, 5.25], [np.nan] * 2], equal_nan=True)


def test_several_labels_are_read_with_videos_that_have_none(tmp_path):
    hot = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]], dtype=np.float32)
    scores = made_scores(4, 3, hot=hot, failures={3: "broken"})
    results.write_predictions(
        tmp_path / "p.csv", scores, listed(list("abcd"), 3, hot), ("x", "y", "z")
    )
    found = read_predictions(tmp_path / "p.csv")
    assert found.is_multi_label
    assert np.array_equal(found.labels, hot[:3].astype(bool))
    likeliest = set(found.predicted.tolist())
    assert found.names == tuple(
        "xyz"[k] if k in {1, *likeliest} else f"class {k}" for k in range(3)
    )
    assert (found.failed_paths, found.failed_labels.tolist()) == (("d",), [[True] * 3])


def test_a_run_says_that_videos_have_several_labels_where_none_has(tmp_path):
    write_csv(tmp_path / "test_predictions.csv", *random_scores(6, 3))
    assert not read_predictions(tmp_path).is_multi_label
    (tmp_path / "test_results.json").write_text('{"map": 0.5}')
    found = read_predictions(tmp_path)
    assert found.is_multi_label
    assert (found.labels.sum(axis=1) == 1).all()


def test_columns_may_have_any_order_and_others_are_kept(tmp_path):
    (tmp_path / "p.csv").write_bytes(
        b"\xef\xbb\xbfscore_1,film,path,score_mean,score_0,label\r\n"
        b".25,=f,'=a,1,.75,0\r\n\r\n1e-3,'+g,b,2,2.5E-4,1\r\n"
    )
    found = read_predictions(tmp_path / "p.csv")
    assert found.paths == ("=a", "b")
    assert found.scores.tolist() == [[0.75, 0.25], [2.5e-4, 1e-3]]
    assert found.labels.tolist() == found.predicted.tolist() == [0, 1]
    assert found.columns == {"film": ("=f", "+g"), "score_mean": ("1", "2")}


def test_a_text_in_the_last_column_is_kept(tmp_path):
    (tmp_path / "p.csv").write_text("path,label,score_0,score_1,film\na,0,1,2,\nb,1,1,2,f\n")
    assert read_predictions(tmp_path / "p.csv").columns == {"film": ("", "f")}


def test_names_are_those_of_the_classes_file_else_those_that_occur(tmp_path):
    labels, scores = np.array([0, 2, 0, 2]), np.eye(4)[[0, 2, 1, 2]]
    file = write_csv(tmp_path / "test_predictions.csv", labels, scores, names=list("abcd"))
    assert read_predictions(file).names == ("a", "b", "c", "class 3")
    (tmp_path / "test_classes.csv").write_text("label,name,videos\n0,A\n1,B\n2,C\n3,'=D\n")
    assert read_predictions(file).names == ("A", "B", "C", "=D")
    (tmp_path / "test_classes.csv").write_text("label,name,videos\n0,A\n1,B\n2,C\n")
    assert read_predictions(file).names == ("a", "b", "c", "class 3")


def test_the_folder_of_a_split_and_a_file_by_its_name_have_the_record_of_that_split(tmp_path):
    for split, names in (("test", "ab"), ("val", "xy")):
        write_csv(tmp_path / f"{split}_predictions.csv", *random_scores(5, 2))
        text = "".join(f"{k},{name}\n" for k, name in enumerate(names))
        (tmp_path / f"{split}_classes.csv").write_text(f"label,name\n{text}")
    assert read_predictions(tmp_path).names == ("a", "b")
    assert read_predictions(tmp_path, split="val").names == ("x", "y")
    assert read_predictions(tmp_path / "val_predictions.csv").record.split == "val"
    assert read_predictions(tmp_path / "val_predictions.csv").names == ("x", "y")


def test_of_scores_that_are_equal_after_rounding_the_test_knows_which_was_the_highest(tmp_path):
    (tmp_path / "p.csv").write_text("path,label,prediction,score_0,score_1\na,1,1,.5,.5\n")
    assert read_predictions(tmp_path / "p.csv").predicted.tolist() == [1]
    (tmp_path / "p.csv").write_text("path,label,score_0,score_1\na,1,.5,.5\n")
    assert read_predictions(tmp_path / "p.csv").predicted.tolist() == [0]


def test_a_subset_has_the_rows_in_the_given_order(tmp_path):
    spans = {i: TimeSpan(i, i + 1.0, 9.0) for i in range(5)}
    scores = made_scores(5, 3, failures={1: "broken"}, spans=spans)
    results.write_predictions(tmp_path / "p.csv", scores, listed(list("abcde"), 3))
    found = read_predictions(tmp_path / "p.csv")
    part = found.subset(np.array([3, 0]))
    assert part.paths == part.keys == ("e", "a")
    assert np.array_equal(part.scores, found.scores[[3, 0]])
    assert part.labels.tolist() == [1, 0]
    assert part.predicted.tolist() == found.predicted[[3, 0]].tolist()
    assert part.spans.tolist() == [[4, 5], [0, 1]]
    assert part.places.tolist() == [4, 0]
    assert part.durations.tolist() == [9, 9]
    assert (part.failures, part.failed_paths, part.failed_labels, part.total) == ((), (), None, 2)
    assert part.sha256 == found.sha256


def error_of(path, **options):
    with pytest.raises(PredictionsError) as caught:
        read_predictions(path, **options)
    return str(caught.value)


def test_a_folder_without_predictions_and_a_path_that_is_not_there_are_named(tmp_path):
    assert error_of(tmp_path) == (
        f"{tmp_path}/test_predictions.csv does not exist; test into this OUTPUT_DIR first"
    )
    assert error_of(tmp_path, split="val") == (
        f"{tmp_path}/val_predictions.csv does not exist; test into this OUTPUT_DIR first with "
        "TEST.SPLIT val"
    )
    assert error_of(tmp_path / "x\n") == (
        f"{tmp_path}/x\\n: no such file or folder; name the OUTPUT_DIR of a tested run"
    )
    (tmp_path / "a").write_bytes(b"")
    assert error_of(tmp_path / "a") == (
        f"{tmp_path}/a is empty; test again, or name the file of another program"
    )
    (tmp_path / "report.json").write_text('{"schema_version": 0}')
    assert error_of(tmp_path / "report.json") == (
        f"{tmp_path}/report.json is JSON, as a report is, and no predictions; name the OUTPUT_DIR of a "
        "test"
    )
    (tmp_path / "b/test_predictions.csv").mkdir(parents=True)
    assert error_of(tmp_path / "b") == (
        f"{tmp_path}/b/test_predictions.csv cannot be read: Is a directory; name the OUTPUT_DIR of a "
        "tested run"
    )


def test_labels_and_scores_of_any_reader_are_checked(tmp_path):
    def made(labels, scores):
        keys = [f"row {i}" for i in range(len(labels))]
        return assemble(tmp_path, b"", UNKNOWN, paths=keys, keys=keys,
                        labels=np.array(labels), scores=np.array(scores))  # fmt: skip

    assert made([1, 0], [[0, 1], [0, 1.0]]).predicted.tolist() == [1, 1]
    for labels, scores, message in [
        ([1, 2], [[0, 1], [0, 1]], "row 1 has the label 2, but there are scores of the classes 0 .. 1"),
        ([-1, 1], [[0, 1], [0, 1]], "row 0 has the label -1, but"),
        ([1, 1], [[0, 1], [0, np.nan]], "row 1 has a score that is not a finite number (nan or inf), "
         "as 1 of 2 videos; test again"),
        ([], np.zeros((0, 2)), "no video has scores, so there is nothing to report"),
    ]:  # fmt: skip
        with pytest.raises(PredictionsError) as caught:
            made(labels, scores)
        assert message in str(caught.value)
        assert str(caught.value).startswith(str(tmp_path))


def test_reading_needs_no_torch(tmp_path):
    write_csv(tmp_path / "p.csv", *random_scores(4, 3))
    code = (
        "import sys; from pathlib import Path\n"
        "from timesformer.evaluation.report.predictions import read_predictions\n"
        f"read_predictions(Path({str(tmp_path / 'p.csv')!r}))\n"
        "sys.exit('torch' in sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0


def test_a_large_file_is_read_quickly(tmp_path):
    """19,796 x 400 takes 1.3 s; a tenth of it less than 1.5 s on a busy machine."""
    labels, scores = random_scores(2000, 400)
    file = write_csv(tmp_path / "p.csv", labels, scores)
    read_predictions(file)
    started = time.process_time()
    found = read_predictions(file)
    assert time.process_time() - started < 1.5
    with file.open(newline="") as opened:
        rows = list(csv.reader(opened))
    assert np.array_equal(found.scores, np.array([row[4:] for row in rows[1:]], dtype=np.float64))
