"""The table of weights and methods: folds, what is learned from what, and going on."""

import importlib.util
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from tests.conftest import ROOT
from timesformer.config import load_config
from timesformer.models import build_model

TINY = ["SOLVER.MAX_EPOCH", "1", "DATA_LOADER.NUM_WORKERS", "0"]


@pytest.fixture
def tool():
    path = ROOT / "tools/compare_finetuning.py"
    spec = importlib.util.spec_from_file_location("compare_finetuning", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def weights(tiny_yaml, tmp_path):
    cfg = load_config(tiny_yaml)
    path = tmp_path / "start.pyth"
    torch.save({"model_state": build_model(cfg).state_dict(), "cfg": cfg.dump()}, path)
    return path


def test_folds_are_even_and_part_the_videos_of_a_class(tool):
    lines = [(f"{i}.mp4", label) for i, label in enumerate([0] * 5 + [1] * 3 + [2] * 4)]
    folds = tool.deal(lines, folds=4, seed=3)
    assert np.bincount(folds).tolist() == [3, 3, 3, 3]
    assert len(set(folds[5:8])) == 3
    assert len(set(folds[8:])) == 4
    assert not np.array_equal(folds, tool.deal(lines, folds=4, seed=4))
    assert sorted(tool.deal(lines, folds=12, seed=0)) == list(range(12))


def test_the_table_counts_each_video_once_and_is_kept(
    tool, data_dir, weights, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "table"
    command = ["compare_finetuning.py", str(data_dir / "val.csv"), "--weights", str(weights)]
    command += ["none", "--out", str(out), "--folds", "2", "--seeds", "1", *TINY]
    monkeypatch.setattr(sys, "argv", command)
    assert tool.main() == 0
    printed = capsys.readouterr().out
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

    from timesformer.engine import run

    monkeypatch.setattr(run, "launch_run", lambda cfg: pytest.fail("ran again"))
    assert tool.main() == 0
    assert capsys.readouterr().out == printed


def test_nearest_is_the_most_similar_video_of_another_fold(tool):
    rng = np.random.default_rng(0)
    found, labels = rng.normal(size=(12, 5)), np.arange(12) % 3
    folds = np.arange(12) % 4
    right = 0
    for i in range(12):
        others = np.flatnonzero(folds != folds[i])
        unit = found / np.linalg.norm(found, axis=1, keepdims=True)
        right += labels[others[np.argmax(unit[others] @ unit[i])]] == labels[i]
    lines = [("a.mp4", int(label)) for label in labels]
    assert tool.fit("nearest", found, lines, folds) == right


def test_bad_input_is_named(tool, weights, data_dir, monkeypatch, capsys, tmp_path):
    for more, message in (
        ([str(tmp_path / "no.csv"), "--weights", str(weights)], "no.csv"),
        ([str(data_dir / "val.csv"), "--weights", str(data_dir / "val.csv")], "val.csv"),
    ):
        command = ["compare_finetuning.py", *more, "--out", str(tmp_path / "o")]
        monkeypatch.setattr(sys, "argv", command)
        assert tool.main() == 2
        assert message in capsys.readouterr().err
