"""A program of torch.export computes what the model does, for every family."""

import json

import pytest
import torch

from tests.models.made_families import FAMILIES, make_small, options
from timesformer.inference import export
from timesformer.inference.predictor import Predictor


@pytest.fixture(params=FAMILIES)
def family(request, monkeypatch):
    if request.param == "pytorchvideo":
        pytest.importorskip("pytorchvideo")
    if request.param == "hf":
        pytest.importorskip("transformers")
    make_small(monkeypatch)
    return request.param


def test_every_family_becomes_a_program(family, trained, tmp_path):
    named, _ = options(family, tmp_path)
    predictor = Predictor.from_checkpoint(trained(*named)[1], "cpu")
    path = tmp_path / "model.pt2"
    assert export.export(predictor, path) < 1e-4
    _, *shape = json.loads(json.dumps(export.build_about(predictor.cfg, predictor)))["input"]
    clips = torch.randint(256, (4, *shape), dtype=torch.uint8)
    with torch.no_grad():
        wanted = predictor.model(predictor.scoring.normalize(clips))
        found = torch.export.load(path).module()(clips)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert found.std(dim=0).max() > 0


def test_a_model_that_cannot_be_traced_is_named(trained, tmp_path, monkeypatch):
    predictor = Predictor.from_checkpoint(trained()[1], "cpu")
    monkeypatch.setattr(export.Program, "forward", lambda self, clips: clips if clips.sum() else 0)
    with pytest.raises(
        export.ExportError, match="cannot become a program of torch.export: .* conv"
    ):
        export.export(predictor, tmp_path / "model.pt2")
    assert not (tmp_path / "model.pt2").exists()


def test_a_program_that_computes_something_else_is_not_kept(trained, tmp_path, monkeypatch):
    predictor = Predictor.from_checkpoint(trained()[1], "cpu")
    monkeypatch.setattr(export, "TOLERANCE", -1)
    with pytest.raises(export.ExportError, match="differs from the model by .* and was not kept"):
        export.export(predictor, tmp_path / "model.pt2")
    assert not (tmp_path / "model.pt2").exists()


def test_weights_without_a_classifier_are_refused(trained, tmp_path):
    _, file = trained()
    saved = torch.load(file, weights_only=True)
    saved["model_state"] = {k: v for k, v in saved["model_state"].items() if "head" not in k}
    torch.save(saved, file)
    with pytest.raises(export.ExportError, match="model.pyth .*classifier"):
        export.export(Predictor.from_checkpoint(file, "cpu"), tmp_path / "model.pt2")
