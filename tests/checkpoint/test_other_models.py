"""What files say of models that are not a TimeSformer."""

import json

import pytest
import torch
from torchvision.models import get_model

from tests.models.made_families import VIDEOMAE
from timesformer.checkpoint.inspect import summarize
from timesformer.checkpoint.model_spec import read_model_spec
from timesformer.checkpoint.other_models import build_name
from timesformer.datasets.build import build_view
from timesformer.inference.predictor import Predictor
from timesformer.models import is_other


def test_a_file_of_torchvision_predicts_with_its_own_pixels_once_it_is_named(tmp_path, data_dir):
    theirs = get_model("mc3_18", num_classes=5)
    torch.save(theirs.state_dict(), tmp_path / "mc3.pth")
    named = ["MODEL.MODEL_NAME", "torchvision/mc3_18", "DATA.NUM_FRAMES", "4"]
    spec = read_model_spec(tmp_path / "mc3.pth", overrides=named)
    assert (spec.cfg.MODEL.NUM_CLASSES, spec.cfg.DATA.TEST_CROP_SIZE) == (5, 112)
    assert pytest.approx([0.43216, 0.394666, 0.37645]) == spec.cfg.DATA.MEAN
    view = build_view(spec.cfg, "test")  # as its transforms: the centre of a frame of 128
    assert (view.short_side, view.crop, view.num_clips) == (128, 112, 1)
    assert "short side 128, 1 crop(s) of 112, mean" in spec.notes[0]
    assert spec.has_classifier
    small = [*named, "DATA.TEST_CROP_SIZE", "32", "DATA.TRAIN_JITTER_SCALES", "[32, 40]"]
    predictor = Predictor.from_checkpoint(tmp_path / "mc3.pth", "cpu", views="1x1", overrides=small)
    assert predictor.predict(data_dir / "videos/test 0.mp4")[0].scores.shape == (5,)


def test_a_folder_of_transformers_says_its_clips_and_pixels(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.AutoConfig.for_model(**VIDEOMAE)
    transformers.AutoModelForVideoClassification.from_config(config).save_pretrained(tmp_path)
    pixels = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.2]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(pixels))
    spec = read_model_spec(tmp_path, overrides=["MODEL.MODEL_NAME", f"hf/{tmp_path}"])
    data = spec.cfg.DATA
    assert (data.NUM_FRAMES, data.TEST_CROP_SIZE, data.MEAN) == (4, 32, [0.5, 0.4, 0.3])
    assert spec.cfg.MODEL.NUM_CLASSES == 2


@pytest.mark.parametrize("as_file", [False, True])
def test_a_folder_of_transformers_names_its_model_and_classes(tmp_path, data_dir, as_file):
    transformers = pytest.importorskip("transformers")
    config = transformers.AutoConfig.for_model(**VIDEOMAE | {"id2label": {0: "run", 1: "jump"}})
    transformers.AutoModelForVideoClassification.from_config(config).save_pretrained(tmp_path)
    place = tmp_path / "model.safetensors" if as_file else tmp_path
    predictor = Predictor.from_checkpoint(place, "cpu", views="1x1")
    assert f"hf/{tmp_path}" == predictor.cfg.MODEL.MODEL_NAME
    assert predictor.class_names == ("run", "jump")
    (note,) = predictor.description.notes
    assert "clips of 4 frames at rate 16 of 30 a second" in note
    facts = summarize(place)
    assert (facts["kind"], facts["class_names"]) == (f"hf/{tmp_path}", ["run", "jump"])
    assert "tensors loaded" in facts["loads"]


def test_a_processor_of_videos_is_read_as_one_of_images(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.AutoConfig.for_model(**VIDEOMAE)
    transformers.AutoModelForVideoClassification.from_config(config).save_pretrained(tmp_path)
    pixels = {"image_mean": [0.5, 0.4, 0.3], "size": {"shortest_edge": 40}}
    (tmp_path / "video_preprocessor_config.json").write_text(json.dumps(pixels))
    data = read_model_spec(tmp_path).cfg.DATA
    assert (data.MEAN, data.TRAIN_JITTER_SCALES[0]) == ([0.5, 0.4, 0.3], 40)


def test_a_command_names_the_model_before_its_file_does(tiny_yaml):
    assert build_name(None, ()) == ""
    assert build_name(tiny_yaml, ()) == "vit_base_patch16_224"
    assert build_name(tiny_yaml, ("MODEL.MODEL_NAME", "c3d")) == "c3d"
    assert is_other("c3d")
    assert not is_other("TimeSformer")
    assert not is_other("SlowFast")
