"""What holds for a model of every family, on one process and on two, and for its file alone."""

import contextlib
import csv
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from tests.conftest import write_tiny_yaml
from tests.models.made_families import FAMILIES, make_small, options
from tests.process_pool import Processes
from timesformer.checkpoint.convert import WRITERS, Source, check
from timesformer.checkpoint.inspect import summarize
from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.model_spec import read_model_spec
from timesformer.config import changed, load_config
from timesformer.datasets.lists import PackedStrings, VideoList
from timesformer.detection.detector import Detector
from timesformer.engine.preflight import preflight
from timesformer.engine.run import run
from timesformer.evaluation.report.predictions import read_predictions
from timesformer.evaluation.report.report import build_report
from timesformer.files import checkpoint_path
from timesformer.inference.predictor import Predictor
from timesformer.models import build_model
from timesformer.models.classifier import classifier_parameters, parameter_depths

SHORT = [
    *("GLOBAL_BATCH_SIZE", "2", "TRAIN.BATCH_SIZE", "2", "SOLVER.OPTIMIZING_METHOD", "sgd"),
    *("SOLVER.BASE_LR", "0.02", "SOLVER.LAYER_DECAY", "0.7", "TRAIN.EMA_DECAY", "0.9"),
    *("TEST.BATCH_SIZE", "2", "TEST.NUM_ENSEMBLE_VIEWS", "2", "TEST.NUM_SPATIAL_CROPS", "1"),
]
EXTRAS = {"hf": "transformers", "pytorchvideo": "pytorchvideo"}  # what the tests can do without
VIDEOS = {"train": 4, "val": 2, "test": 3}


class Run(NamedTuple):
    """A run of two epochs of two steps, and its test: of a folder for transformers nothing is left."""

    cfg: Any
    name: str
    out: Path
    video: Path
    frozen: str  # the start of the names of its frozen parameters

    @property
    def last(self):
        return checkpoint_path(self.out, 1)


@pytest.fixture(scope="module")
def lists(data_dir, tmp_path_factory):
    """A folder of short lists."""
    folder = tmp_path_factory.mktemp("short lists")
    (folder / "videos").symlink_to(data_dir / "videos")
    for split, count in VIDEOS.items():
        lines = (data_dir / f"{split}.csv").read_text().splitlines()[:count]
        (folder / f"{split}.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module", autouse=True)
def _small():
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        yield


@pytest.fixture(scope="module", params=FAMILIES)
def made(request, lists, tmp_path_factory):
    pytest.importorskip(EXTRAS.get(request.param, "torch"))
    folder = tmp_path_factory.mktemp(request.param)
    named, frozen = options(request.param, folder)
    words = [*SHORT, *named, "TRAIN.FREEZE", f"['{frozen}']"]
    cfg = load_config(write_tiny_yaml(folder, lists), words)
    shutil.rmtree(folder / "videomae", ignore_errors=True)
    preflight(cfg)
    run(cfg)
    video = lists / "videos/test 0.mp4"
    return Run(cfg, named[1], folder / "out", video, frozen.removesuffix("*"))


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    with contextlib.suppress(ImportError):  # once, here, before there are two
        from transformers import VideoMAEForVideoClassification  # noqa: F401
    processes = Processes(tmp_path_factory.mktemp("two processes"), prepare=make_small)
    yield processes
    processes.close()


def state(path, entry="model_state"):
    return torch.load(path, weights_only=True)[entry]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_names_of_the_surface_hold(made):
    model = build_model(made.cfg).eval()
    clip = torch.randn(2, *model.input_spec)
    features = model.forward_features(clip)
    assert features.shape == (2, model.num_features)
    assert torch.equal(model(clip), model.get_classifier()(features))
    assert torch.equal(model(features), model(clip))
    depths, head = parameter_depths(model), classifier_parameters(model)
    assert depths.keys() | set(head) == dict(model.named_parameters()).keys()
    assert not depths.keys() & set(head)
    assert set(depths.values()) == set(range(len(model.layer_groups())))
    assert len(set(depths.values())) > 4
    model.reset_classifier(7)
    assert model(clip).shape == (2, 7)
    model.reset_classifier(0)
    assert torch.equal(model(clip), features)


def test_what_is_frozen_stays_and_the_classifier_learns(made):
    before, after = state(checkpoint_path(made.out, 0)), state(made.last)
    moved = {n.removeprefix("model.") for n in after if not torch.equal(before[n], after[n])}
    model = build_model(made.cfg)
    assert set(classifier_parameters(model)) <= moved
    frozen = {name for name in dict(model.named_parameters()) if name.startswith(made.frozen)}
    assert frozen
    assert not frozen & moved


def test_two_processes_train_and_test_as_one(made, two_processes, tmp_path):
    """Weights are the same but for rounding, and the test of the same weights is byte for byte."""
    two = changed(
        made.cfg, {"OUTPUT_DIR": str(tmp_path), "TEST.CHECKPOINT_FILE_PATH": str(made.last)}
    )
    two_processes.run(two)
    for entry in ("model_state", "ema_state"):
        one, other = (state(checkpoint_path(out, 1), entry) for out in (made.out, tmp_path))
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert torch.allclose(value, other[name], rtol=1e-4, atol=1e-5), name
    names = "test_predictions.csv", "test_classes.csv"
    assert all((made.out / n).read_bytes() == (tmp_path / n).read_bytes() for n in names)
    written = [rows(out / "metrics.csv") for out in (made.out, tmp_path)]
    for column in ("type", "epoch", "batch", "top1_err", "videos"):
        assert [row[column] for row in written[0]] == [row[column] for row in written[1]]
    losses = [[float(row["loss"]) for row in each if row["loss"]] for each in written]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_it_resumes_as_if_it_had_not_been_killed(made):
    whole = state(made.last), state(made.last, "ema_state")
    made.last.unlink()  # as if the run had been killed after its first checkpoint
    (made.out / "checkpoints/checkpoint_best.pyth").unlink()
    run(changed(made.cfg, {"TEST.ENABLE": False}))
    assert same(whole[0], state(made.last))
    assert same(whole[1], state(made.last, "ema_state"))


def scores_of(made):
    """The scores of the video in the test of the run."""
    found = rows(made.out / "test_predictions.csv")
    row = next(row for row in found if row["path"].endswith(made.video.name))
    return [float(row[f"score_{k}"]) for k in range(3)]


def test_its_file_alone_predicts_describes_and_detects(made):
    predictor = Predictor.from_checkpoint(made.last, "cpu")
    found = predictor.predict(made.video)[0]
    assert found.scores.tolist() == pytest.approx(scores_of(made), abs=1e-4)
    features = predictor.features(made.video)
    assert features.shape == (predictor.model.num_features,)
    facts = summarize(made.last)
    assert (facts["kind"], facts["format"]) == ("video model", made.name)
    assert facts["loads"].startswith(f"{len(state(made.last))} tensors loaded")
    assert "newly" not in facts["loads"]
    assert "unused" not in facts["loads"]
    report = build_report(read_predictions(made.out))
    assert report["run"]["attention_type"] == made.name
    timeline = Detector(predictor).run(made.video)
    video = PackedStrings([str(made.video)] * len(timeline.windows))
    listed = VideoList(video, np.zeros(len(video), int), "rows", (), timeline.windows)
    one = Predictor.from_checkpoint(made.last, "cpu", views="1x1")
    expected = [each.probabilities.numpy() for each in one.predict(listed)]
    assert np.array_equal(timeline.probabilities, expected)


def test_it_is_converted_and_predicts_the_same(made, tmp_path):
    source = Source.of(spec := read_model_spec(made.last))
    for to, name in (("safetensors", "a.safetensors"), ("published", "a.pyth")):
        written = WRITERS[to](source, tmp_path / name, torch.float32)
        assert "tensors loaded" in check(written, spec)
    found = Predictor.from_checkpoint(tmp_path / "a.safetensors", "cpu").predict(made.video)[0]
    assert found.scores.tolist() == pytest.approx(scores_of(made), abs=1e-4)
    folder = tmp_path / "hf"
    if not made.name.startswith("hf/"):
        with pytest.raises(
            CheckpointError, match=rf"is {made.name.replace('+', '.')}, which transf"
        ):
            WRITERS["hf"](source, folder, torch.float32)
        return
    from transformers import AutoModelForVideoClassification

    check(WRITERS["hf"](source, folder, torch.float32), spec)
    assert "VideoMAEForVideoClassification` of transformers" in (folder / "README.md").read_text()
    theirs = AutoModelForVideoClassification.from_pretrained(folder).eval()
    model = Predictor.from_checkpoint(made.last, "cpu").model
    clip = torch.randn(2, *model.input_spec)
    assert torch.allclose(theirs(clip.transpose(1, 2)).logits, model(clip), atol=1e-6)


def test_it_is_probed_by_features_that_are_computed_once(made, tmp_path):
    probe = {"TRAIN.FREEZE": ["backbone"], "TRAIN.PROBE_CLIPS": 1, "SOLVER.MAX_EPOCH": 1}
    cfg = changed(made.cfg, {**probe, "OUTPUT_DIR": str(tmp_path), "TEST.ENABLE": False})
    run(cfg)
    stored = next((tmp_path / "features").glob("train-*/*.pt"))
    width = build_model(cfg).num_features
    values = torch.load(stored, weights_only=True)["values"]
    assert values.shape == (VIDEOS["train"], width)
