"""Pickles of the published code and of mmaction2, in their layouts; code in them is never run."""

import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch

from tests.evaluation.report.made import random_scores, write_csv
from tests.evaluation.report.test_predictions import listed, made_scores
from timesformer.evaluation import results
from timesformer.evaluation.report import foreign
from timesformer.evaluation.report.predictions import PredictionsError, read_predictions


def saved(path, content, protocol=pickle.HIGHEST_PROTOCOL):
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def logits(num_videos, num_classes, seed=0):
    return torch.randn(num_videos, num_classes, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_published_layout_is_read(tmp_path, protocol, kind):
    scores, labels = logits(5, 3), torch.tensor([0, 2, 1, 1, 0])
    found = read_predictions(saved(tmp_path / "a.pkl", kind([scores, labels]), protocol))
    assert np.array_equal(found.scores, scores.double().numpy())
    assert found.labels.tolist() == labels.tolist()
    assert found.labels.dtype == np.int64
    assert found.predicted.tolist() == scores.argmax(dim=1).tolist()
    assert found.keys == found.paths == ("row 0", "row 1", "row 2", "row 3", "row 4")
    assert not found.has_paths
    assert found.places.tolist() == [0, 1, 2, 3, 4]
    assert (found.names, found.failures, found.is_multi_label) == ((), (), False)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_arrays_of_any_number_type_are_read(tmp_path, kind):
    scores, labels = logits(4, 3).to(kind), torch.tensor([0, 2, 1, 1], dtype=torch.int32)
    found = read_predictions(saved(tmp_path / "a", [scores, labels]))
    assert np.array_equal(found.scores, scores.double().numpy())
    if kind is not torch.bfloat16:
        same = read_predictions(saved(tmp_path / "b", [scores.numpy(), labels.float().numpy()]))
        assert np.array_equal(same.scores, found.scores)
        assert same.labels.tolist() == found.labels.tolist()


def test_files_of_torch_save_are_read(tmp_path):
    scores, labels = logits(4, 3), torch.tensor([0, 2, 1, 1])
    for is_zip in (True, False):
        torch.save([scores, labels], tmp_path / "a", _use_new_zipfile_serialization=is_zip)
        assert np.array_equal(read_predictions(tmp_path / "a").scores, scores.double().numpy())


@pytest.mark.parametrize("several", [False, True])
def test_what_this_project_pickles_is_what_it_writes_as_a_csv(tmp_path, several):
    hot = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]], dtype=np.float32)
    hot = hot if several else None
    scores = made_scores(4, 3, hot=hot, failures={1: "broken", 3: "broken"})
    videos = listed(list("abcd"), 3, hot)
    results.write_predictions(tmp_path / "test_predictions.csv", scores, videos)
    results.write_pickle(tmp_path / "scores.pkl", scores, videos)
    table, pickled = read_predictions(tmp_path), read_predictions(tmp_path / "scores.pkl")
    assert np.allclose(table.scores, pickled.scores, rtol=1e-5)
    assert np.array_equal(table.labels, pickled.labels)
    assert table.places.tolist() == pickled.places.tolist() == [0, 2]
    assert pickled.paths == ("row 0", "row 2")
    reason = "no scores in the file"
    assert pickled.failures == (("row 1", reason), ("row 3", reason))
    assert np.array_equal(pickled.failed_labels, table.failed_labels)
    assert pickled.failed_paths == ("row 1", "row 3")


def test_rows_of_zeros_are_videos_that_the_published_code_never_saw(tmp_path):
    scores = logits(4, 3)
    scores[2] = 0
    found = read_predictions(saved(tmp_path / "a", [scores, torch.tensor([0, 1, 0, 2])]))
    assert found.labels.tolist() == [0, 1, 2]
    assert found.failures == (("row 2", "no scores in the file"),)
    assert found.total == 4


def test_the_names_of_the_classes_are_those_of_the_folder(tmp_path):
    (tmp_path / "test_classes.csv").write_text("label,name\n0,a\n1,b\n2,c\n")
    file = saved(tmp_path / "a", [logits(4, 3), torch.tensor([0, 2, 1, 1])])
    assert read_predictions(file).names == ("a", "b", "c")
    assert read_predictions(saved(file, [logits(4, 4), torch.tensor([0, 2, 1, 1])])).names == ()


def dumped(scores, labels, version, names=None):
    """As mmaction2 writes ``--dump``: data samples as dictionaries."""
    made = []
    for i, (row, label) in enumerate(zip(scores, labels, strict=True)):
        label = torch.as_tensor(label).reshape(-1)
        sample = {
            "1.0": {"pred_scores": {"item": row}, "pred_labels": {"item": row.argmax()[None]},
                    "gt_labels": {"item": label}},
            "1.1": {"pred_score": row, "pred_label": row.argmax()[None], "gt_label": label},
            "numpy": {"pred_score": row.numpy(), "gt_label": label.numpy()},
            "plain": {"pred_score": row.tolist(), "gt_label": label.tolist()},
            "ordered": OrderedDict(pred_score=row, gt_label=label),
        }[version]  # fmt: skip
        made.append({**sample, "num_classes": len(row)} | ({"video_id": names[i]} if names else {}))
    return made


@pytest.mark.parametrize("version", ["1.0", "1.1", "numpy", "plain", "ordered"])
@pytest.mark.parametrize("num_videos", [1, 2, 5])
def test_dumps_of_mmaction2_are_read(tmp_path, version, num_videos):
    scores = logits(num_videos, 3).softmax(dim=1)
    labels = [2, 0, 1, 1, 0][:num_videos]
    found = read_predictions(saved(tmp_path / "a.pkl", dumped(scores, labels, version)))
    assert np.allclose(found.scores, scores.double().numpy())
    assert found.labels.tolist() == labels
    assert found.keys == tuple(f"row {i}" for i in range(num_videos))
    assert not found.has_paths


def test_a_dump_may_name_its_videos(tmp_path):
    scores, labels = logits(3, 3), [0, 1, 2]
    file = saved(tmp_path / "a", dumped(scores, labels, "1.1", ["x", "y", "z"]))
    assert read_predictions(file).keys == ("x", "y", "z")
    assert read_predictions(file).has_paths
    file = saved(tmp_path / "a", dumped(scores, labels, "1.1", ["x", "x", "z"]))
    assert read_predictions(file).keys == ("row 0", "row 1", "row 2")


def test_dumps_of_several_labels_are_read_as_numbers_or_as_zeros_and_ones(tmp_path):
    hot = [[True, False, True], [False, False, False], [False, True, False]]
    scores = logits(3, 3)
    for labels in ([[0, 2], [], [1]], np.array(hot, dtype=np.int64)):
        file = saved(tmp_path / "a", dumped(scores, labels, "1.1"))
        assert read_predictions(file).labels.tolist() == hot


def bad(**entries):
    return [{"pred_score": torch.rand(3), "gt_label": torch.tensor([1]), **entries}] * 3


ONE = torch.tensor([0, 1])
WRONG = {
    "the labels twice": ([ONE, ONE], "it holds the labels twice and no scores: the published code "
                         "stores them so; test with this project, which writes the scores"),
    "other sizes": ([torch.rand(3, 2), ONE], "it holds scores of the shape (3, 2) and labels of the "
                    "shape (2,); predictions are [scores (videos, classes), labels] of "
                    "TEST.SAVE_RESULTS_PATH, or a list of dictionaries with pred_score and gt_label of "
                    "mmaction2's --dump"),
    "a view too many": ([torch.rand(2, 5, 3), ONE], "it holds scores of the shape (2, 5, 3) and"),
    "other classes": ([torch.rand(2, 3), torch.ones(2, 4)], "it holds labels of 4 classes and scores of "
                      "3; they must be the same classes"),
    "no arrays": (["a", {"b": 1}], "it holds a list of 2 (str, dict); predictions are"),
    "one class": ([torch.rand(2, 1), ONE * 0], "scores of 1 class; a report needs those of 2 or more"),
    "halves": ([torch.rand(2, 3), ONE / 2], "its labels are not whole numbers; write a CSV with"),
    "nan labels": ([torch.rand(2, 3), ONE * torch.nan], "its labels are not whole numbers"),
    "a wide label": ([torch.rand(2, 3), ONE * 3], "row 1 has the label 3, but there are scores of the "
                     "classes 0 .. 2; correct the label"),
    "one nan": ([torch.tensor([[1, torch.nan], [0, 1]]), ONE], "row 0 has a score that is not a finite"),
    "all nan": ([torch.full((2, 3), torch.nan), ONE], "no video has scores, so there is nothing to"),
    "complex": ([torch.rand(2, 3, dtype=torch.complex64), ONE], "it holds a list of 2 (Tensor)"),
    "sparse": ([torch.eye(2).to_sparse(), ONE], "it holds a list of 2 (Unknown, Tensor)"),
    "a checkpoint": ({"model_state": {}, "epoch": 3, "a": 1, "b": 2, "c": 3},
                     "it holds a dictionary (model_state, epoch, a, b, ...); predictions are"),
    "a number": (3, "it holds a int; predictions are"),
    "a tensor": (torch.rand(2, 3), "it holds an array of the shape (2, 3); predictions are"),
    "nothing": ([], "it holds an empty list; predictions are"),
    "mmaction2 0.x": ([np.random.rand(3).astype(np.float32) for _ in range(4)],
                      "it is a list of arrays, so the labels are missing, as mmaction2 0.x writes it "
                      "with --out; write a CSV with the columns path, label, score_0, score_1, ... "
                      "instead"),
    "no scores": ([{"gt_label": torch.tensor([1]), "x": 2}] * 2, "the dictionary of row 0 has neither "
                  "pred_score nor pred_scores (but gt_label, x); predictions are"),
    "no labels": ([{"pred_score": torch.rand(3)}] * 2, "the dictionary of row 0 has neither gt_label nor "
                  "gt_labels (but pred_score)"),
    "several heads": (bad(pred_score={"rgb": torch.rand(3), "pose": torch.rand(3)}), "pred_score of row "
                      "0 has several entries (rgb, pose); which one counts is not known: write a CSV"),
    "a text": (bad(pred_score="x"), "pred_score of row 0 is a str, not an array; predictions are"),
    "texts": (bad(gt_label=["x"]), "gt_label of row 0 is a list of 1 (str), not an array"),
    "a matrix": (bad(pred_score=torch.rand(2, 3)), "its scores have the shapes (2, 3); they must be "
                 "(classes,) everywhere"),
    "other lengths": (bad()[:1] + bad(pred_score=torch.rand(4)), "its scores have the shapes (3,), (4,);"),
    "a label of several": (bad(gt_label=torch.tensor([1, 5])), "row 0 has the labels [1, 5], but there "
                           "are scores of the classes 0 .. 2"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_other_layouts_are_named(case, tmp_path):
    content, message = WRONG[case]
    file = saved(tmp_path / "a.pkl", content)
    with pytest.raises(PredictionsError) as caught:
        read_predictions(file)
    assert str(caught.value).startswith(f"{file}: {message}")
    assert "\n" not in str(caught.value)


class Hostile:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("place", ["alone", "as scores", "in a dictionary", "in torch.save"])
def test_code_is_refused_and_never_run(tmp_path, protocol, place):
    sign = tmp_path / "it ran"
    evil = Hostile(os.system, f"touch '{sign}'")
    scores, file = torch.rand(2, 3), tmp_path / "a.pkl"
    content = {"alone": evil, "as scores": [evil, ONE], "in torch.save": [scores, evil],
               "in a dictionary": bad(pred_score=evil)}[place]  # fmt: skip
    if place == "in torch.save":
        torch.save(content, file, pickle_protocol=protocol)
    else:
        saved(file, content, protocol)
    with pytest.raises(PredictionsError) as caught:
        read_predictions(file)
    assert not sign.exists()
    assert str(caught.value) == (
        f"{file}: it holds posix.system, and code in a file is never run; write a CSV with the columns "
        "path, label, score_0, score_1, ... instead"
    )


class Thing:
    pass


def test_a_function_or_class_that_is_not_known_is_not_called(tmp_path):
    sign = tmp_path / "it ran"
    file = saved(tmp_path / "a.pkl", [Hostile(os.mkdir, str(sign)), ONE])
    with pytest.raises(PredictionsError, match="it holds a list of 2"):
        read_predictions(file)
    assert not sign.exists()
    file = saved(tmp_path / "a.pkl", Thing())
    with pytest.raises(
        PredictionsError, match="it holds an object of the class tests.*Thing; predict"
    ):
        read_predictions(file)


@pytest.mark.parametrize("cut", [1, 2, 30, 200, -1])
def test_files_that_are_cut_off_are_named(tmp_path, cut):
    content = pickle.dumps([torch.rand(20, 3), torch.arange(20) % 3])
    (tmp_path / "a").write_bytes(content[:cut])
    with pytest.raises(
        PredictionsError, match=r"it is not a pickle of predictions \(.+\); predictions"
    ):
        read_predictions(tmp_path / "a")
    torch.save([torch.rand(20, 3), torch.arange(20) % 3], tmp_path / "b")
    (tmp_path / "b").write_bytes((tmp_path / "b").read_bytes()[: cut + 2 * (cut > 0)])
    with pytest.raises(PredictionsError, match="it is not an archive|it is a damaged archive"):
        read_predictions(tmp_path / "b")


def test_other_archives_and_garbage_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", scores=np.ones((2, 3)))
    with pytest.raises(
        PredictionsError, match="not an archive of predictions .a zip archive without data"
    ):
        read_predictions(tmp_path / "a.npz")
    (tmp_path / "b").write_bytes(b"\x80" + bytes(range(256)))
    with pytest.raises(PredictionsError, match="it is not a pickle of predictions"):
        read_predictions(tmp_path / "b")


@pytest.mark.parametrize("seed", range(30))
def test_damage_is_refused_or_read_but_never_another_error(seed, tmp_path):
    rng = np.random.default_rng(seed)
    content = [dumped(logits(3, 3), [0, 1, 2], "1.0"), [logits(3, 3), torch.arange(3)]][seed % 2]
    damaged = bytearray(pickle.dumps(content))
    for place in rng.integers(2, len(damaged), size=2):
        damaged[place] = rng.integers(256)
    (tmp_path / "a").write_bytes(bytes(damaged))
    try:
        assert np.isfinite(read_predictions(tmp_path / "a").scores).all()
    except PredictionsError as refused:
        assert str(refused).startswith(str(tmp_path / "a"))  # noqa: PT017


def test_a_csv_is_no_pickle(tmp_path):
    assert not foreign.is_pickled(write_csv(tmp_path / "a", *random_scores(2, 2)).read_bytes())
