"""Scores of videos: every view counted once, in batches of any size, with failures apart."""

import csv
import json
import pickle

import numpy as np
import pytest
import torch

from tests.conftest import stirred
from timesformer.checkpoint.load import CheckpointError
from timesformer.config import load_config
from timesformer.datasets import build_loader, load_views, read_list
from timesformer.datasets.lists import PackedStrings, VideoList
from timesformer.engine.run import launch_run
from timesformer.errors import InputError
from timesformer.evaluation import results
from timesformer.evaluation import test as testing
from timesformer.evaluation.loop import Scores, evaluate, merge
from timesformer.evaluation.scoring import build_scoring
from timesformer.models import build_model
from timesformer.runtime import collectives
from timesformer.runtime.precision import Precision
from timesformer.video import TimeSpan

CPU = torch.device("cpu")


@pytest.fixture
def config(tiny_yaml):
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in overrides])


def score(cfg, model):
    """Scores of this process's videos."""
    scoring = build_scoring(cfg, CPU, Precision(cfg.TEST.PRECISION, CPU).autocast)
    loader = build_loader(cfg, "test", together=scoring.videos_together)
    return evaluate(model, loader, scoring)


@pytest.mark.parametrize("method", ["sum", "max", "softmax"])
@pytest.mark.parametrize(("batch_size", "forward_batch"), [(1, 0), (5, 4), (100, 25)])
def test_scores_equal_a_naive_loop_over_views(config, data_dir, method, batch_size, forward_batch):
    cfg = config("TEST.BATCH_SIZE", batch_size, "DATA.ENSEMBLE_METHOD", method,
                 "TEST.FORWARD_BATCH", forward_batch)  # fmt: skip
    torch.manual_seed(0)
    model = build_model(cfg).eval()
    torch.nn.init.normal_(model.head.weight)
    scores = score(cfg, model)
    assert scores.indices.tolist() == list(range(9))
    for i in range(9):
        views = load_views(data_dir / f"videos/test {i}.mp4", cfg)
        with torch.no_grad():
            logits = torch.stack([model(view[None])[0] for view in views])
        expected = {
            "sum": logits.sum(dim=0),
            "max": logits.amax(dim=0),
            "softmax": logits.softmax(dim=1).mean(dim=0),
        }[method]
        assert torch.allclose(scores.values[i], expected, atol=1e-4)


@pytest.fixture
def one_broken(data_dir, tmp_path):
    """9 videos, of which the second cannot be read; keys that test them, 4 clips a forward batch."""
    folder = tmp_path / "one broken"
    folder.mkdir()
    (folder / "broken.mp4").write_text("no video")
    lines = [f"{data_dir}/{line}" for line in (data_dir / "test.csv").read_text().splitlines()]
    (folder / "test.csv").write_text("\n".join([lines[0], "broken.mp4 1", *lines[2:]]))
    return ("DATA.PATH_TO_DATA_DIR", folder, "TEST.FORWARD_BATCH", 4, "TRAIN.ENABLE", "False")


@pytest.mark.parametrize(("views", "crops"), [(1, 1), (2, 1), (3, 2)])
def test_forward_batches_are_the_same_on_any_number_of_processes(
    config, one_broken, tmp_path, monkeypatch, views, crops
):
    """Of the same videos at the same places, and so the file is the same byte for byte."""
    cfg = config(*one_broken, "TEST.NUM_ENSEMBLE_VIEWS", views, "TEST.NUM_SPATIAL_CROPS", crops)
    model, batches = stirred(build_model(cfg)), []
    model.register_forward_pre_hook(lambda _, args: batches[-1].append(args[0].numpy().tobytes()))
    written = []
    for world in (
        1,
        2,
        4,
    ):  # with 4 clips a forward batch and one view, the last process has no video
        batches.append([])
        monkeypatch.setattr(collectives, "world_size", lambda world=world: world)
        parts = []
        for rank in range(world):
            monkeypatch.setattr(collectives, "rank", lambda rank=rank: rank)
            parts.append(score(cfg, model))
        merged = merge(parts)
        assert merged.values.dtype == torch.float32
        results.write_predictions(tmp_path / "p.csv", merged, read_list(cfg, "test"))
        written.append((tmp_path / "p.csv").read_bytes())
    assert written[0] == written[1] == written[2]
    assert sorted(batches[0]) == sorted(batches[1]) == sorted(batches[2])
    assert b"broken.mp4: " in written[0]


def test_two_processes_write_the_same_file_as_one(
    config, one_broken, tmp_path, caplog, two_processes
):
    weights = tmp_path / "model.pyth"
    torch.save(stirred(build_model(config())).state_dict(), weights)
    keys = (*one_broken, "TEST.NUM_ENSEMBLE_VIEWS", 1, "TEST.NUM_SPATIAL_CROPS", 1,
            "TEST.CHECKPOINT_FILE_PATH", weights, "TEST.SAVE_RESULTS_PATH", "scores.pkl")  # fmt: skip
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as each of the two has
    (tmp_path / "1").mkdir()
    caplog.set_level("INFO")
    testing.test(config(*keys, "OUTPUT_DIR", tmp_path / "1"), CPU)
    assert "9 videos of " in caplog.text
    assert "1 clips each, 4 clip(s) in each forward batch (TEST.FORWARD_BATCH)" in caplog.text
    said = "scored 8 of 9 videos, 1 unreadable, which count neither as right nor as wrong"
    assert said in caplog.messages
    torch.set_num_threads(threads)
    two_processes.run(config(*keys, "OUTPUT_DIR", tmp_path / "2"))
    one, two = ((tmp_path / folder / "test_predictions.csv").read_bytes() for folder in "12")
    assert one == two
    one, two = (pickle.loads((tmp_path / folder / "scores.pkl").read_bytes()) for folder in "12")
    assert np.array_equal(one[0], two[0], equal_nan=True)
    results = json.loads((tmp_path / "2/test_results.json").read_text())
    assert (results["videos"], results["scored"], results["unreadable"]) == (9, 8, 1)


def scores_of(values, indices, labels=None, failures=None):
    labels = torch.as_tensor(indices if labels is None else labels)
    return Scores(torch.as_tensor(values), labels, torch.as_tensor(indices), failures or {}, {})


VIDEOS = VideoList(PackedStrings(["a, b.mp4", "c.mp4"]), np.array([1, 0]), "list.csv")
SCORES = scores_of([[0.25, 0.75]], [0], [1], {1: 'cut off, "half"'})


def test_the_csv_has_a_row_for_every_video_of_the_list(tmp_path):
    results.write_predictions(tmp_path / "p.csv", SCORES, VIDEOS)
    with (tmp_path / "p.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["path", "label", "prediction", "error", "score_0", "score_1"],
        ["a, b.mp4", "1", "1", "", "0.25", "0.75"],
        ["c.mp4", "0", "", 'cut off, "half"', "", ""],
    ]


def test_the_csv_names_classes_where_they_are_known(tmp_path):
    results.write_predictions(tmp_path / "p.csv", SCORES, VIDEOS, ("jump, high", "run"))
    with (tmp_path / "p.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["label_name"], first["prediction_name"]) == ("run", "run")
    assert (second["label_name"], second["prediction_name"]) == ("jump, high", "")
    assert (first["score_0"], second["error"]) == ("0.25", 'cut off, "half"')


def test_the_csv_says_which_seconds_were_looked_at(tmp_path):
    spans = {0: TimeSpan(0.0, 8.5, 43.3333)}
    results.write_predictions(tmp_path / "p.csv", SCORES._replace(spans=spans), VIDEOS)
    with (tmp_path / "p.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    names = ("start_seconds", "end_seconds", "duration_seconds")
    assert [first[name] for name in names] == ["0.000", "8.500", "43.333"]
    assert [second[name] for name in names] == ["", "", ""]
    assert str(spans[0]) == "0.0–8.5 of 43.3 s"


def test_ties_are_one_class_in_the_csv_and_the_accuracy(tmp_path):
    """The lowest class index, by a naive loop, of scores as bf16 rounds them."""
    torch.manual_seed(1)
    scores = (torch.randn(400, 6) / 4 + 1).bfloat16().float().numpy()
    labels = np.random.default_rng(1).integers(6, size=400)
    expected = []
    for row in scores.tolist():
        best = 0
        for k in range(6):
            best = k if row[k] > row[best] else best
        expected.append(best)
    assert sum((row == row.max()).sum() > 1 for row in scores) > 3
    videos = VideoList(PackedStrings([f"{i}.mp4" for i in range(400)]), labels, "list.csv")
    scored = scores_of(scores, np.arange(400), labels)
    results.write_predictions(tmp_path / "p.csv", scored, videos)
    with (tmp_path / "p.csv").open(newline="") as file:
        assert [int(row["prediction"]) for row in csv.DictReader(file)] == expected
    found, classes = results.measure(scored)
    assert found["top1_acc"] == pytest.approx(100 * np.mean(labels == expected))
    assert classes.right.sum() == (labels == expected).sum()


@pytest.mark.parametrize("names", [(), ("walk", "run\x1b[31m", "jump")])
def test_results_of_classes_are_written_and_said(tmp_path, names):
    """Class 2 has no video; labels 0 0 0 1 are predicted 1 1 0 1."""
    predicted, labels = np.array([1, 1, 0, 1]), np.array([0, 0, 0, 1])
    scores = np.eye(3, dtype=np.float32)[predicted]
    _, classes = results.measure(scores_of(scores, np.arange(4), labels))
    results.write_classes(tmp_path / "c.csv", classes, names, multi_label=False)
    with (tmp_path / "c.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["label", "name", "videos", "right", "accuracy"]
    assert [row[2:] for row in rows[1:]] == [
        ["3", "1", "33.3333"],
        ["1", "1", "100"],
        ["0", "0", ""],
    ]
    found = results.class_summary(classes, names, multi_label=False)
    assert (found["classes"], found["classes_with_videos"]) == (3, 2)
    assert found["mean_class_acc"] == pytest.approx(200 / 3)
    assert (found["chance_acc"], found["majority_acc"]) == (pytest.approx(100 / 3), 75)
    (pair,) = found["confused"]
    assert (pair["true"], pair["predicted"], pair["videos"]) == (0, 1, 2)
    lines = "\n".join(results.class_lines(classes, names, multi_label=False))
    assert "mean class accuracy 66.67 % over 2 of 3 classes; chance: 33.33 %" in lines
    walk, run = ("walk", "run\\x1b[31m") if names else ("class 0", "class 1")
    assert f"worst classes: {walk} 33.3 % of 3, {run} 100.0 % of 1" in lines
    assert f"most confused: {walk} taken for {run} (2)" in lines


def test_the_pickle_has_scores_and_labels_and_nan_for_the_unreadable(tmp_path):
    results.write_pickle(tmp_path / "deep/er.pkl", SCORES, VIDEOS)
    with (tmp_path / "deep/er.pkl").open("rb") as file:
        scores, labels = pickle.load(file)
    assert scores[0].tolist() == [0.25, 0.75]
    assert torch.isnan(scores[1]).all()
    assert labels.tolist() == [1, 0]


def test_a_list_without_a_readable_video_has_no_accuracy(config, tmp_path, data_dir):
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "a.mp4").write_text("no video")
    (folder / "test.csv").write_text("a.mp4 0\n")
    cfg = config("DATA.PATH_TO_DATA_DIR", folder, "OUTPUT_DIR", tmp_path)
    path = tmp_path / "model.pyth"
    torch.save(build_model(cfg).state_dict(), path)
    cfg = config("DATA.PATH_TO_DATA_DIR", folder, "OUTPUT_DIR", tmp_path,
                 "TEST.CHECKPOINT_FILE_PATH", path)  # fmt: skip
    with pytest.raises(
        InputError, match=r"no video of .*test\.csv can be read \(1 tried\).*a\.mp4: "
    ) as e:
        testing.test(cfg, CPU)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("bad", [[2, 5], range(9)])
def test_scores_that_are_not_finite_are_no_accuracy(config, tmp_path, monkeypatch, caplog, bad):
    """Status 1; the videos are named, and finite scores are kept."""

    def poisoned(*arguments, **options):
        scores = evaluate(*arguments, **options)
        wrong = np.resize(np.float32([np.inf, np.nan, -np.inf]), len(bad))
        scores.values[list(bad), 0, 1] = torch.from_numpy(wrong)
        return scores

    monkeypatch.setattr(testing, "evaluate", poisoned)
    torch.save(stirred(build_model(config())).state_dict(), tmp_path / "model.pyth")
    cfg = config("TRAIN.ENABLE", "False", "TEST.CHECKPOINT_FILE_PATH", tmp_path / "model.pyth",
                 "TEST.SAVE_RESULTS_PATH", "scores.pkl")  # fmt: skip
    with pytest.raises(SystemExit) as end:
        launch_run(cfg)
    assert end.value.code == 1
    said = (tmp_path / "out/stdout.log").read_text()
    assert f"{len(bad)} of 9 videos have scores that are not finite, so there is no acc" in said
    assert "test_final" not in said
    found = json.loads((tmp_path / "out/test_results.json").read_text(), parse_constant=pytest.fail)
    assert (found["top1_acc"], found["top5_acc"], found["unreadable"]) == (None, None, 0)
    assert (found["scored"], found["nonfinite"]) == (9 - len(bad), len(bad))
    with (tmp_path / "out/test_predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [i for i, row in enumerate(rows) if row["error"]] == list(bad)
    named = rows[bad[0]]
    assert "1 of 3 scores are not finite (the first: inf); check the weights, or " in named["error"]
    assert (named["prediction"], named["score_0"]) == ("", "")
    assert named["path"] in said
    pickled, _ = pickle.loads((tmp_path / "out/scores.pkl").read_bytes())
    assert pickled.isnan().any(dim=1).nonzero().ravel().tolist() == list(bad)


def test_bf16_scores_are_close_to_fp32(config):
    torch.manual_seed(0)
    model = build_model(config()).eval()
    scores = [score(cfg, model).values for cfg in (config(), config("TEST.PRECISION", "bf16"))]
    assert not np.array_equal(*scores)
    assert np.allclose(*scores, atol=0.05)


def test_testing_drops_nothing(config, tmp_path):
    cfg = config("TIMESFORMER.DROP_PATH_RATE", 0.9, "TIMESFORMER.DROP_RATE", 0.9)
    torch.save(build_model(cfg).state_dict(), tmp_path / "model.pyth")
    cfg = config("TIMESFORMER.DROP_PATH_RATE", 0.9, "TIMESFORMER.DROP_RATE", 0.9,
                 "TEST.CHECKPOINT_FILE_PATH", tmp_path / "model.pyth")  # fmt: skip
    (tmp_path / "out").mkdir()
    scores = []
    for _ in range(2):
        testing.test(cfg, CPU)
        scores.append((tmp_path / "out/test_predictions.csv").read_text())
    assert scores[0] == scores[1]


@pytest.mark.parametrize(
    "change", [("TIMESFORMER.ATTENTION_TYPE", "joint_space_time"), ("TIMESFORMER.DEPTH", 1)]
)
def test_a_checkpoint_of_another_architecture_is_not_scored(config, tmp_path, change):
    torch.save(build_model(config()).state_dict(), tmp_path / "model.pyth")
    cfg = config(*change, "TEST.CHECKPOINT_FILE_PATH", tmp_path / "model.pyth")
    with pytest.raises(CheckpointError, match=f"its score would mean nothing.*unused.*{change[0]}"):
        testing.test(cfg, CPU)


def test_a_limited_test_says_so_wherever_its_result_stands(config, tmp_path, caplog):
    cfg = config("DATA.LIMIT_VAL_BATCHES", 2)
    out = tmp_path / "out"
    out.mkdir()
    torch.save({"model_state": build_model(cfg).state_dict()}, tmp_path / "model.pyth")
    caplog.set_level("INFO")
    testing.test(config("TEST.CHECKPOINT_FILE_PATH", tmp_path / "model.pyth",
                        "DATA.LIMIT_VAL_BATCHES", 2), CPU)  # fmt: skip
    results = json.loads((out / "test_results.json").read_text())
    assert (results["videos"], results["scored"], results["unreadable"]) == (9, 4, 0)
    assert results["limited"] == "4 of 9 videos (DATA.LIMIT_VAL_BATCHES 2)"
    assert "LIMITED to 4 of 9 videos" in caplog.text
    (final,) = [m for m in caplog.messages if "test_final" in m]
    assert '"limited": "4 of 9 videos (DATA.LIMIT_VAL_BATCHES 2)"' in final
    with (out / "test_predictions.csv").open() as file:
        errors = [row["error"] for row in csv.DictReader(file)]
    assert sorted(errors) == [""] * 4 + ["not scored: the test was limited"] * 5
