"""What holds for a model of every family: training, resuming, testing, and its file alone."""

import csv
import shutil

import pytest
import torch

from tests.models.made_families import FAMILIES, make_small, options
from timesformer.checkpoint.convert import WRITERS, Source
from timesformer.checkpoint.inspect import summarize
from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.model_spec import read_model_spec
from timesformer.config import changed, load_config
from timesformer.engine.preflight import preflight
from timesformer.engine.run import run
from timesformer.inference.predictor import Predictor
from timesformer.models import build_model
from timesformer.models.classifier import classifier_parameters, parameter_depths

SHORT = [
    *("DATA.LIMIT_TRAIN_BATCHES", "2", "DATA.LIMIT_VAL_BATCHES", "1"),
    *("GLOBAL_BATCH_SIZE", "4", "SOLVER.BASE_LR", "0.01", "DATA.RANDOM_FLIP", "False"),
    *("TEST.NUM_ENSEMBLE_VIEWS", "1", "TEST.NUM_SPATIAL_CROPS", "1"),
]


@pytest.fixture(params=FAMILIES)
def family(request, monkeypatch):
    if request.param == "pytorchvideo":
        pytest.importorskip("pytorchvideo")
    if request.param == "hf":
        pytest.importorskip("transformers")
    make_small(monkeypatch)
    return request.param


def state(path, entry="model_state"):
    return torch.load(path, weights_only=True)[entry]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_names_of_the_surface_hold(family, tiny_yaml, tmp_path):
    named, _ = options(family, tmp_path)
    model = build_model(load_config(tiny_yaml, named)).eval()
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


def test_it_trains_resumes_tests_and_its_file_alone_predicts(family, tiny_yaml, tmp_path, data_dir):
    named, pattern = options(family, tmp_path)
    learning = ["SOLVER.LAYER_DECAY", "0.7", "TRAIN.EMA_DECAY", "0.9"]
    learning += ["TRAIN.FREEZE", f"['{pattern}']"]
    out = tmp_path / "out"
    cfg = load_config(tiny_yaml, [*SHORT, *named, *learning])
    preflight(cfg)
    run(changed(cfg, {"TEST.ENABLE": False}))
    first, last = (out / f"checkpoints/checkpoint_epoch_0000{n}.pyth" for n in (1, 2))
    before, after = state(first), state(last)
    moved = {n.removeprefix("model.") for n in after if not torch.equal(before[n], after[n])}
    model = build_model(cfg)
    assert set(classifier_parameters(model)) <= moved
    frozen = {name for name, _ in model.named_parameters() if _starts(name, pattern)}
    assert frozen
    assert not frozen & moved

    whole = state(last), state(last, "ema_state")
    last.unlink()  # as if the run had been killed after its first checkpoint
    (out / "checkpoints/checkpoint_best.pyth").unlink()
    run(cfg)
    assert same(whole[0], state(last))
    assert same(whole[1], state(last, "ema_state"))

    shutil.rmtree(tmp_path / "videomae", ignore_errors=True)  # the file must suffice
    with (out / "test_predictions.csv").open() as file:
        tested = next(row for row in csv.DictReader(file) if row["path"].endswith("test 0.mp4"))
    predictor = Predictor.from_checkpoint(last, "cpu")
    video = data_dir / "videos/test 0.mp4"
    scores = [float(tested[f"score_{k}"]) for k in range(3)]
    assert predictor.predict(video)[0].scores.tolist() == pytest.approx(scores, abs=1e-4)
    assert predictor.features(video).shape == (model.num_features,)

    facts = summarize(last)
    assert (facts["kind"], facts["format"]) == ("video model", named[1])
    assert facts["loads"].startswith(f"{len(after)} tensors loaded")
    assert "newly" not in facts["loads"]
    assert "unused" not in facts["loads"]
    spec = read_model_spec(last)
    written = WRITERS["safetensors"](Source.of(spec), tmp_path / "a.safetensors", torch.float32)
    again = Predictor.from_checkpoint(written, "cpu").predict(video)[0]
    assert again.scores.tolist() == pytest.approx(scores, abs=1e-4)
    with pytest.raises(CheckpointError, match="not a TimeSformer; write publ"):
        WRITERS["hf"](Source.of(spec), tmp_path / "hf", torch.float32)


def _starts(name, pattern):
    return name.startswith(pattern.removesuffix("*"))


def test_it_is_probed_by_features_that_are_computed_once(family, tiny_yaml, tmp_path):
    named, _ = options(family, tmp_path)
    probe = ["TRAIN.FREEZE", "backbone", "TRAIN.PROBE_CLIPS", "1", "SOLVER.MAX_EPOCH", "1"]
    cfg = load_config(tiny_yaml, [*named, *probe, "TEST.ENABLE", "False"])
    run(cfg)
    stored = next((tmp_path / "out/features").glob("train-*/*.pt"))
    width = build_model(cfg).num_features
    assert torch.load(stored, weights_only=True)["values"].shape == (24, width)
