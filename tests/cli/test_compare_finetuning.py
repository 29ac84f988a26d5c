"""The table of weights and methods: folds, what is learned from what, and going on."""

import numpy as np
import pandas as pd
import pytest
import torch

from timesformer.config import load_config
from timesformer.engine import compare_finetuning
from timesformer.engine.compare_finetuning import deal, fit
from timesformer.models import build_model

TINY = ["SOLVER.MAX_EPOCH", "1", "DATA_LOADER.NUM_WORKERS", "0"]


@pytest.fixture
def weights(tiny_yaml, tmp_path):
    cfg = load_config(tiny_yaml)
    path = tmp_path / "start.pyth"
    torch.save({"model_state": build_model(cfg).state_dict(), "cfg": cfg.dump()}, path)
    return path


def test_folds_are_even_and_part_the_videos_of_a_class():
    lines = [(f"{i}.mp4", label) for i, label in enumerate([0] * 5 + [1] * 3 + [2] * 4)]
    folds = deal(lines, folds=4, seed=3)
    assert np.bincount(folds).tolist() == [3, 3, 3, 3]
    assert len(set(folds[5:8])) == 3
    assert len(set(folds[8:])) == 4
    assert not np.array_equal(folds, deal(lines, folds=4, seed=4))
    assert sorted(deal(lines, folds=12, seed=0)) == list(range(12))


def test_the_table_counts_each_video_once_and_is_kept(
    run_here, data_dir, weights, tmp_path, monkeypatch
):
    out = tmp_path / "table"
    command = ["compare-finetuning", data_dir / "val.csv", "--weights", weights, "none"]
    command += ["--out", out, "--folds", 2, "--seeds", 1, *TINY]
    status, printed, _ = run_here(*command)
    assert status == 0
    assert "7 videos, 1 seed(s)" in printed
    table = pd.read_csv(out / "results.csv")
    assert table[["weights", "method"]].to_numpy().tolist() == [
        [name, method]
        for name in ("start", "none")
        for method in ("nearest", "ridge", "probe", "full")
    ]
    for fold in (0, 1):
        folder = out / f"start-0/probe-{fold}"
        lists = [(folder / f"{split}.csv").read_text().splitlines() for split in ("train", "test")]
        assert len(lists[0]) + len(lists[1]) == 7
        assert not set(lists[0]) & set(lists[1])
    right = 0
    for fold in (0, 1):
        rows = pd.read_csv(out / f"start-0/full-{fold}/test_predictions.csv")
        right += int((rows["label"] == rows["prediction"]).sum())
    assert table.query("weights == 'start' and method == 'full'")["right"].item() == right

    monkeypatch.setattr(compare_finetuning, "launch_run", lambda cfg: pytest.fail("ran again"))
    assert run_here(*command)[:2] == (0, printed)


def test_nearest_is_the_most_similar_video_of_another_fold():
    rng = np.random.default_rng(0)
    found, labels = rng.normal(size=(12, 5)), np.arange(12) % 3
    folds = np.arange(12) % 4
    right = 0
    for i in range(12):
        others = np.flatnonzero(folds != folds[i])
        unit = found / np.linalg.norm(found, axis=1, keepdims=True)
        right += labels[others[np.argmax(unit[others] @ unit[i])]] == labels[i]
    lines = [("a.mp4", int(label)) for label in labels]
    assert fit("nearest", found, lines, folds) == right


def test_bad_input_is_named(run_here, weights, data_dir, tmp_path):
    for more, message in (
        ([tmp_path / "no.csv", "--weights", weights], "no.csv"),
        ([data_dir / "val.csv", "--weights", data_dir / "val.csv"], "val.csv"),
        ([data_dir / "val.csv", "--weights", "none", "--methods", "svm"], "'svm' is not one of"),
        (
            [data_dir / "val.csv", "--weights", weights, "b/start.pt"],
            "two of them are called 'start'",
        ),
        ([data_dir / "val.csv", "--weights", "none", "--folds", 1], "1 must be 2 or more, or 0"),
    ):
        status, _, error = run_here("compare-finetuning", *more, "--out", tmp_path / "o")
        assert status == 2
        assert message in error
