"""The logits of single views: those of a loop over clips, in a file that is the same on any processes."""

import csv
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch

from tests.conftest import stirred
from tests.process_pool import Processes
from timesformer.config import ConfigError, load_config
from timesformer.datasets import load_views
from timesformer.datasets.lists import PackedStrings, VideoList
from timesformer.engine.preflight import preflight
from timesformer.engine.run import launch_run
from timesformer.evaluation import metrics
from timesformer.evaluation.scoring import Scoring
from timesformer.evaluation.view_scores import SavedViews, ViewFacts, ViewKeeper, memory_problem
from timesformer.files import run_files
from timesformer.models import build_model

CPU = torch.device("cpu")


@pytest.fixture
def run(tiny_yaml, data_dir, tmp_path):
    """Test 9 videos, of which the second cannot be read, into a folder of its own; returns the folder."""
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "broken.mp4").write_text("no video")
    lines = [f"{data_dir}/{line}" for line in (data_dir / "test.csv").read_text().splitlines()]
    (lists / "test.csv").write_text("\n".join([lines[0], "broken.mp4 1", *lines[2:]]))
    weights = tmp_path / "model.pyth"

    def test(name, *overrides, by=launch_run):
        keys = ("TRAIN.ENABLE", "False", "DATA.PATH_TO_DATA_DIR", lists, "OUTPUT_DIR", tmp_path / name,
                "TEST.CHECKPOINT_FILE_PATH", weights, *overrides)  # fmt: skip
        cfg = load_config(tiny_yaml, [str(item) for item in keys])
        if not weights.exists():
            torch.save(stirred(build_model(cfg)).state_dict(), weights)
        by(cfg)
        return tmp_path / name

    return test


def read(folder, name="test_views.npz"):
    with np.load(folder / name, allow_pickle=False) as file:
        return dict(file)


def test_the_views_are_those_of_a_loop_over_clips(run, tiny_yaml, tmp_path):
    out = run("out", "TEST.SAVE_VIEWS", True, "TEST.VIEW_PLACEMENT", "paper")
    found = read(out)
    assert list(found) == ["scores", "paths", "labels", "temporal", "crops", "crop_names",
                           "placement", "method", "predictions_sha256"]  # fmt: skip
    assert (found["scores"].shape, found["scores"].dtype) == ((9, 6, 3), np.float16)
    assert (found["temporal"], found["crops"]) == (2, 3)
    assert found["crop_names"].tolist() == ["start", "centre", "end"]
    assert (str(found["placement"]), str(found["method"])) == ("paper", "sum")
    with (out / "test_predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert found["paths"].tolist() == [row["path"] for row in rows]
    assert found["labels"].tolist() == [int(row["label"]) for row in rows]
    assert np.isnan(found["scores"]).all(axis=(1, 2)).nonzero()[0].tolist() == [1]
    cfg = load_config(tiny_yaml, ["TEST.VIEW_PLACEMENT", "paper"])
    model = build_model(cfg).eval()
    model.load_state_dict(torch.load(tmp_path / "model.pyth"))
    for i in (0, 5):
        with torch.inference_mode():
            logits = model(load_views(rows[i]["path"], cfg)).numpy()
        assert np.allclose(found["scores"][i], logits, rtol=2e-3, atol=2e-3)
        total = found["scores"][i].astype(np.float64).sum(axis=0)
        assert np.allclose(total, [float(rows[i][f"score_{k}"]) for k in range(3)], atol=0.02)


def test_the_files_are_the_same_on_any_processes_and_in_any_batches(run, tmp_path):
    """And the predictions are those without views. Two processes are in test_protocols.py."""
    plain = run("plain", "TEST.FORWARD_BATCH", 2)
    one = run("one", "TEST.FORWARD_BATCH", 2, "TEST.SAVE_VIEWS", True)
    three = Processes(tmp_path, count=3)
    more = {"batches": (100, launch_run), "three": (12, three.run)}
    assert not (plain / "test_views.npz").exists()
    assert one / "test_views.npz" in run_files(one)
    names = ("test_predictions.csv", "test_views.npz")
    expected = [(one / name).read_bytes() for name in names]
    assert (plain / names[0]).read_bytes() == expected[0]
    for name, (size, by) in more.items():
        keys = ("TEST.FORWARD_BATCH", 2, "TEST.SAVE_VIEWS", True, "TEST.BATCH_SIZE", size)
        other = run(name, *keys, by=by)
        assert [(other / name).read_bytes() for name in names] == expected
    three.close()


def test_a_part_of_the_list_has_nan_for_the_rest_and_several_labels_are_multi_hot(run):
    out = run("out", "TEST.SAVE_VIEWS", True, "DATA.LIMIT_VAL_BATCHES", 2, "TEST.SPLIT", "test",
              "DATA.MULTI_LABEL", True, "MODEL.LOSS_FUNC", "bce_logit", "TEST.NUM_SPATIAL_CROPS", 1,
              "DATA.ENSEMBLE_METHOD", "softmax")  # fmt: skip
    found = read(out)
    scored = ~np.isnan(found["scores"]).any(axis=(1, 2))
    with (out / "test_predictions.csv").open(newline="") as file:
        assert scored.tolist() == [not row["error"] for row in csv.DictReader(file)]
    assert 0 < scored.sum() < 9
    assert found["labels"].shape == (9, 3)
    assert str(found["method"]) == "sigmoid"
    assert found["crop_names"].tolist() == ["centre"]


def test_an_array_that_does_not_fit_into_memory_is_refused_before_the_test(tiny_yaml, monkeypatch):
    cfg = load_config(tiny_yaml, ["TEST.SAVE_VIEWS", "True", "TRAIN.ENABLE", "False"])
    preflight(cfg)
    needed = 2 * 9 * 6 * 3 * 2
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=needed))
    assert memory_problem(9, 6, 3) == ""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=needed - 1))
    message = (
        r"SAVE_VIEWS is True, but the logits of 9 videos x 6 views x 3 classes need 0\.0 GiB, and 0\.0 "
        r"GiB are free; lower TEST\.NUM_ENSEMBLE_VIEWS, or set TEST\.SAVE_VIEWS False"
    )
    with pytest.raises(ConfigError, match=message):
        preflight(cfg)
    large = 19796, 30, 400
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1 << 29))
    assert "19796 videos x 30 views x 400 classes need 0.9 GiB, and 0.5 GiB" in memory_problem(
        *large
    )


FACTS = ViewFacts(2, (1,), "official", "sum")


def keep(logits):
    """The saved views of three videos, seen as 2 and 0; video 1 is not there."""
    keeper = ViewKeeper(3, 4, FACTS)
    scoring = Scoring(
        CPU,
        lambda clips: clips,
        forward=lambda _, clips: clips,
        num_views=2,
        ensemble=lambda rows: metrics.ensemble(rows, num_views=2, method="sum"),
    )
    scores = keeper.watching(scoring).score(None, logits.flatten(0, 1))
    assert torch.equal(scores, scoring.score(None, logits.flatten(0, 1)))
    keeper.name_seen(torch.tensor([2, 0]))
    keeper.name_seen(torch.tensor([]))
    return keeper.gathered()


@pytest.mark.parametrize("piece", [1 << 26, 1])
def test_views_are_in_the_order_of_the_list(monkeypatch, piece):
    monkeypatch.setattr("timesformer.evaluation.view_scores._PIECE", piece)
    logits = torch.randn(2, 2, 4)
    saved = keep(logits)
    assert np.array_equal(saved.scores[[2, 0]], logits.half().numpy())
    assert np.isnan(saved.scores[1]).all()


def test_logits_beyond_half_precision_stay_finite():
    logits = torch.full((2, 2, 4), 1e6)
    logits[0, 0, 1] = -1e6
    saved = keep(logits)
    assert saved.scores[2, 0].tolist() == [65504, -65504, 65504, 65504]


def test_names_that_are_no_text_and_videos_without_a_score(tmp_path):
    names = ["a b.mp4", "\udcff.mp4", "=c.mp4"]
    videos = VideoList(PackedStrings(names), np.array([2, 0, 1]), "test.csv")
    (tmp_path / "p.csv").write_text("")
    SavedViews(np.ones((3, 2, 4), np.float16), FACTS).write(
        tmp_path / "v.npz", videos, without=[1], predictions=tmp_path / "p.csv"
    )
    found = read(tmp_path, "v.npz")
    assert found["paths"].tolist() == names
    assert np.isnan(found["scores"]).any(axis=(1, 2)).tolist() == [False, True, False]
    assert str(found["predictions_sha256"]).startswith("e3b0c44298fc1c14")
