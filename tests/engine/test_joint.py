"""Training on two lists, each with a classifier of its own."""

import shutil

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from torch import nn
from torch.nn import functional as F

from tests.conftest import run_tool
from tests.engine.test_train import as_torchrun
from timesformer.checkpoint.inspect import summarize
from timesformer.checkpoint.load import load_weights
from timesformer.config import ConfigError, changed, load_config
from timesformer.datasets import build_loader
from timesformer.datasets.lists import ListError
from timesformer.engine.dry_run import dry_run
from timesformer.engine.joint import joint_loss, own_logits
from timesformer.engine.preflight import preflight
from timesformer.engine.run import run
from timesformer.evaluation.metrics import topk_correct
from timesformer.inference.predictor import Predictor
from timesformer.models import build_model
from timesformer.models.extra_head import add_extra_head
from timesformer.runtime.launch import free_port

K, E = 3, 5
ONCE = ["SOLVER.MAX_EPOCH", "1", "TRAIN.EMA_DECAY", "0.9", "TEST.NUM_ENSEMBLE_VIEWS", "1"]


@pytest.fixture
def extra_list(data_dir, tmp_path):
    """A list of 10 of the training videos with five other classes."""
    folder = tmp_path / "other set"
    folder.mkdir()
    lines = [f"{data_dir}/videos/train {i}.mp4 {i % E}" for i in range(10)]
    (folder / "train.csv").write_text("\n".join(lines) + "\n")
    return folder / "train.csv"


@pytest.fixture
def config(tiny_yaml, extra_list):
    joint = ["DATA.EXTRA_TRAIN", str(extra_list)]
    return lambda *overrides: load_config(tiny_yaml, [*joint, *map(str, overrides)])


def weights(folder, epoch=1):
    path = folder / f"checkpoints/checkpoint_epoch_{epoch:05d}.pyth"
    return torch.load(path, weights_only=True)["model_state"]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_of_each_clip_with_its_own_classifier(smoothing):
    logits, labels = torch.randn(6, K + E), torch.tensor([0, 7, 2, 3, 3, 1])
    each = []
    for row, label in zip(logits, labels, strict=True):
        own, place = (row[:K], label) if label < K else (row[K:], label - K)
        each.append(F.cross_entropy(own, place, label_smoothing=smoothing))
    found = joint_loss(logits, labels, num_classes=K, label_smoothing=smoothing)
    assert found.item() == pytest.approx(torch.stack(each).mean().item())


def test_errors_are_counted_among_the_classes_of_the_list():
    logits = torch.zeros(3, K + E)
    logits[0, 0], logits[0, 7] = 1, 9  # right among its own, though another list's class is higher
    logits[1, 1], logits[1, 6] = 9, 1
    logits[2, 2] = 1
    labels = torch.tensor([0, 6, 1])
    assert topk_correct(own_logits(logits, labels, num_classes=K), labels, 1) == 2


def test_gradients_are_those_of_two_classifiers_on_shared_features(tiny_yaml):
    cfg = load_config(tiny_yaml)
    torch.manual_seed(0)
    model = build_model(cfg)
    add_extra_head(model, E)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1)
    clip, labels = torch.randn(4, *model.input_spec), torch.tensor([1, 4, 7, 0])
    model.train()
    joint_loss(model(clip), labels, num_classes=K).backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    features = model.forward_features(clip)
    head = model.head
    first = F.cross_entropy(F.linear(features[[0, 3]], head.weight, head.bias), labels[[0, 3]])
    second = F.cross_entropy(head.extra(features[[1, 2]]), labels[[1, 2]] - K)
    (first / 2 + second / 2).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad)
    assert model.eval()(clip).shape == (4, K)


def test_an_epoch_shows_both_lists_and_labels_of_the_second_come_after(config, data_dir):
    cfg = config("DATA.RANDOM_FLIP", False)
    loader = build_loader(cfg, "train")
    batches = list(loader)
    pairs = torch.stack(
        [torch.cat([b.indices for b in batches]), torch.cat([b.labels for b in batches])]
    )
    seen = dict(pairs.T.tolist())
    videos = loader.dataset.videos
    assert len(videos.labels) == 34
    for index, label in seen.items():
        number = index if index < 24 else index - 24
        assert videos.name(index).endswith(f"train {number}.mp4")
        assert label == (number % 3 if index < 24 else K + number % E)
    assert len(seen) == 32
    assert len(build_loader(cfg, "val").dataset.videos.labels) == 7


def test_a_flip_changes_labels_of_the_first_list_alone(config, tmp_path):
    (tmp_path / "flip.json").write_text('{"0": 1}')
    dataset = build_loader(config("AUG.FLIP_MAP", tmp_path / "flip.json"), "train").dataset
    assert dataset.opposite.tolist() == [1, 0, 2, 3, 4, 5, 6, 7]


def test_parts_of_files_stay_parts(config, extra_list, data_dir):
    with extra_list.open("a") as file:
        file.write(f"{data_dir}/videos/train 1.mp4 4 0.1 0.5\n")
    videos = build_loader(config(), "train").dataset.videos
    assert videos.segment(34) == (0.1, 0.5)
    assert videos.segment(33) is videos.segment(0) is None


def test_videos_that_an_index_knows_to_be_broken_are_left_out_of_both_lists(
    config, extra_list, tmp_path, data_dir
):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with extra_list.open("a") as file:
        file.write(f"{broken} 4\n")
    assert run_tool("check_data.py", extra_list).returncode == 0
    dataset = build_loader(config(), "train").dataset
    assert list(dataset.known_bad) == [34]
    assert 34 not in dataset.usable


def test_it_resumes_tests_and_predicts_as_the_first_classifier(config, tmp_path, data_dir):
    out, whole = tmp_path / "out", tmp_path / "whole"
    options = ["TRAIN.EMA_DECAY", "0.9", "TEST.NUM_ENSEMBLE_VIEWS", "1"]
    preflight(config(*options))
    run(config(*options, "OUTPUT_DIR", whole))
    run(changed(config(*options), {"TEST.ENABLE": False}))
    (out / "checkpoints/checkpoint_epoch_00002.pyth").unlink()
    (out / "checkpoints/checkpoint_best.pyth").unlink()
    run(config(*options))
    ended, expected = weights(out, 2), weights(whole, 2)
    assert all(torch.equal(ended[name], expected[name]) for name in expected)
    assert expected["model.head.extra.weight"].shape[0] == E
    moved = weights(out, 1)["model.head.extra.weight"] != ended["model.head.extra.weight"]
    assert moved.any(dim=1).all()

    last = whole / "checkpoints/checkpoint_epoch_00002.pyth"
    predictor = Predictor.from_checkpoint(last, "cpu")
    scores = predictor.predict(data_dir / "videos/test 0.mp4")[0].scores
    line = (whole / "test_predictions.csv").read_text().splitlines()[1].split(",")
    assert len(scores) == K
    assert scores.tolist() == pytest.approx([float(x) for x in line[-K:]], abs=1e-4)
    assert "second classifier (5 classes of DATA.EXTRA_TRAIN) is left out" in str(summarize(last))
    report = load_weights(build_model(config()), last)
    assert report.exact
    assert "left out" in str(report)


def test_one_and_two_processes_train_alike(config, tmp_path):
    run(config(*ONCE, "OUTPUT_DIR", tmp_path / "one"))
    arguments = (config(*ONCE, "OUTPUT_DIR", tmp_path / "two"), 2, f"localhost:{free_port()}")
    mp.start_processes(as_torchrun, args=arguments, nprocs=2, start_method="fork")
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], rtol=0, atol=1e-4)


def test_a_probe_trains_both_classifiers(config, tmp_path):
    probe = ["TRAIN.FREEZE", "backbone", "TRAIN.PROBE_CLIPS", "1", "TEST.ENABLE", "False"]
    run(config(*ONCE[:2], *probe))
    state = weights(tmp_path / "out")
    assert state["model.head.extra.bias"].abs().sum() > 0
    assert state["model.head.bias"].abs().sum() > 0


def test_a_dry_run_reads_its_checkpoint_back(config):
    assert "written, read back and compared" in dry_run(config(*ONCE))


def test_another_second_list_does_not_resume(config, extra_list, tmp_path):
    run(config(*ONCE, "TEST.ENABLE", "False"))
    extra_list.write_text(extra_list.read_text().replace(" 4\n", " 3\n"))
    with pytest.raises(ConfigError, match=r"different settings:\n  extra list: .*then, .*now"):
        preflight(config(*ONCE, "TEST.ENABLE", "False"))


def test_problems_of_the_second_list_are_found_before_the_run(config, extra_list, tmp_path):
    with pytest.raises(ConfigError, match=r"TRAIN.FREEZE is .*each list trains one"):
        preflight(config("TRAIN.FREEZE", "['head.*']"))
    extra_list.write_text("nowhere.mp4 1\n")
    with pytest.raises(
        ConfigError, match=r"1 of 1 videos do not exist .*; correct them in this list"
    ):
        preflight(config())
    shutil.rmtree(extra_list.parent)
    with pytest.raises(ConfigError, match=r"other set.* does not exist; correct DATA.EXTRA_TRAIN"):
        preflight(config())
    with pytest.raises(ListError, match=r"other set.* does not exist; correct DATA.EXTRA_TRAIN"):
        build_loader(config(), "train")


def test_classes_are_counted_by_their_names_where_a_file_has_them(config, extra_list, tmp_path):
    names = [f"class {k}" for k in range(7)]
    (extra_list.parent / "classes.txt").write_text("\n".join(names) + "\n")
    run(config(*ONCE, "TEST.ENABLE", "False", "DATA.EXTRA_TRAIN", extra_list.parent))
    assert weights(tmp_path / "out")["model.head.extra.weight"].shape == (7, 32)
    assert np.isfinite(weights(tmp_path / "out")["model.head.extra.weight"]).all()
