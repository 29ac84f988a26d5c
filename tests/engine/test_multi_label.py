"""Videos with several labels, from the list to mean average precision; class names on the way."""

import csv
import json
import pickle
import re

import pytest
import torch
from sklearn.metrics import average_precision_score

from timesformer.config import load_config
from timesformer.datasets import build_loader
from timesformer.engine import run

LABELS = ("0;3", "1", "2;3;1")  # of the three brightness classes; class 4 has no video


@pytest.fixture
def folder(tmp_path, data_dir):
    target = tmp_path / "multi"
    target.mkdir()
    for split in ("train", "val", "test"):
        lines = (data_dir / f"{split}.csv").read_text().splitlines()
        lines = [f"{data_dir}/{line[:-2]} {LABELS[int(line[-1])]}" for line in lines]
        (target / f"{split}.csv").write_text("\n".join(lines))
    (target / "classes.txt").write_text("dark\ngrey\nlight\nextreme\nnever\n")
    return target


@pytest.fixture
def options(folder):
    return ["DATA.PATH_TO_DATA_DIR", folder, "DATA.MULTI_LABEL", "True", "MODEL.NUM_CLASSES", "5",
            "MODEL.LOSS_FUNC", "bce_logit", "SOLVER.MAX_EPOCH", "1"]  # fmt: skip


def stats(out, kind):
    text = (out / "stdout.log").read_text()
    found = [json.loads(line) for line in re.findall(r"json_stats: (\{.*\})", text)]
    return [s for s in found if kind in (s.get("_type"), s.get("split"))]


def average_precision(scores, labels):
    return average_precision_score(labels[:, :4], scores[:, :4], average="macro")


def test_targets_are_multi_hot(tiny_yaml, options):
    cfg = load_config(tiny_yaml, [str(option) for option in options])
    batch = next(iter(build_loader(cfg, "test")))
    assert batch.labels.dtype == torch.float32
    assert batch.labels.tolist() == [[1, 0, 0, 1, 0], [0, 1, 0, 0, 0]]


def test_a_flip_turns_each_label_of_a_video(tiny_yaml, options, tmp_path):
    (tmp_path / "flip.json").write_text('{"dark": "extreme", "grey": "light"}')
    chosen = [*options, "AUG.FLIP_MAP", tmp_path / "flip.json", "TRAIN.BATCH_SIZE", "24"]
    cfg = load_config(tiny_yaml, [str(option) for option in chosen])
    batch = next(iter(build_loader(cfg, "train")))
    found = {
        (int(i) % 3, *map(int, label)) for i, label in zip(batch.indices, batch.labels, strict=True)
    }
    whole = {(0, 1, 0, 0, 1, 0), (1, 0, 1, 0, 0, 0), (2, 0, 1, 1, 1, 0)}
    flipped = {(0, 1, 0, 0, 1, 0), (1, 0, 0, 1, 0, 0), (2, 1, 1, 1, 0, 0)}
    assert found == whole | flipped


@pytest.mark.parametrize("method", ["sum", "max", "softmax"])
def test_a_run_trains_validates_and_tests_by_mean_average_precision(
    tiny_yaml, tmp_path, options, method
):
    chosen = [*options, "DATA.ENSEMBLE_METHOD", method, "TEST.SAVE_RESULTS_PATH", "scores.pkl"]
    run.run(load_config(tiny_yaml, [str(option) for option in chosen]))
    out = tmp_path / "out"
    with (out / "scores.pkl").open("rb") as file:
        scores, labels = pickle.load(file)
    assert labels.shape == (9, 5)
    expected = average_precision(scores.numpy(), labels.numpy())
    assert stats(out, "test_final") == [
        {"map": pytest.approx(expected, abs=1e-5), "split": "test_final"}
    ]
    assert json.loads((out / "test_results.json").read_text())["map"] == pytest.approx(expected)
    (validated,) = stats(out, "val_epoch")
    assert 0 < validated["map"] == validated["max_map"] <= 1
    assert "top1_err" not in validated
    if method == "softmax":
        assert (scores > 0).all()
        assert (scores < 1).all()
        assert not torch.allclose(scores.sum(dim=1), torch.ones(9))
    with (out / "test_predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows[:3]] == ["0;3", "1", "1;2;3"]
    assert int(rows[0]["prediction"]) == int(scores[0].argmax())
    saved = torch.load(out / "checkpoints/checkpoint_epoch_00001.pyth", weights_only=True)
    assert saved["class_names"] == ["dark", "grey", "light", "extreme", "never"]


def test_two_processes_report_the_precision_of_all_videos(
    tiny_yaml, tmp_path, options, two_processes
):
    run.run(load_config(tiny_yaml, [str(option) for option in options]))
    one = stats(tmp_path / "out", "val_epoch") + stats(tmp_path / "out", "test_final")
    two_out = tmp_path / "two"
    words = [str(option) for option in [*options, "OUTPUT_DIR", two_out]]
    two_processes.run(load_config(tiny_yaml, words))
    two = stats(two_out, "val_epoch") + stats(two_out, "test_final")
    assert [s["map"] for s in two] == pytest.approx([s["map"] for s in one], abs=1e-3)
    assert two[0]["videos"] == 7
