"""Recipes load as configurations; what they start with is read off the weights."""

import pytest
import torch

from timesformer.checkpoint.model_spec import read_model_spec
from timesformer.config import config_of, load_config
from timesformer.engine import presets
from timesformer.engine.presets import PRESETS, preset_for, preset_values, start_values
from timesformer.models import build_model
from timesformer.models.timesformer import TimeSformer


@pytest.mark.parametrize(
    ("videos", "classes", "name"),
    [(20, 8, "probe"), (99, 2, "probe"), (100, 2, "gentle"), (499, 100, "probe"),
     (500, 100, "gentle"), (1999, 51, "gentle"), (2000, 51, "full"), (9537, 101, "full")],
)  # fmt: skip
def test_the_number_of_videos_decides(videos, classes, name):
    assert preset_for(videos, classes) == name


@pytest.mark.parametrize("name", PRESETS)
def test_every_recipe_is_a_configuration_that_few_videos_can_fill(name):
    cfg = config_of(preset_values(name, 5) | {"NUM_GPUS": 0}, source="test")
    assert cfg.TRAIN.BATCH_SIZE == 5
    assert preset_values(name, 10**6)["TRAIN.BATCH_SIZE"] == 8


def test_the_full_recipe_is_the_published_one():
    from tests.conftest import ROOT

    published = load_config(ROOT / "configs/Kinetics/TimeSformer_divST_8x32_224.yaml")
    ours = config_of(preset_values("full", 100), source="test")
    assert ours.SOLVER == published.SOLVER
    assert ours.GLOBAL_BATCH_SIZE == published.GLOBAL_BATCH_SIZE


def test_weights_of_ours_keep_their_model_and_clips(tiny_yaml, tmp_path):
    cfg = load_config(tiny_yaml)
    path = tmp_path / "own.pyth"
    torch.save({"model_state": build_model(cfg).state_dict(), "cfg": cfg.dump()}, path)
    started = config_of(start_values(read_model_spec(path)), source="test")
    assert started.TIMESFORMER.DEPTH == 2
    assert started.TIMESFORMER.ATTENTION_TYPE == "divided_space_time"
    assert (started.DATA.NUM_FRAMES, started.DATA.TRAIN_CROP_SIZE) == (4, 32)
    assert started.DATA.TRAIN_JITTER_SCALES == [32, 40]
    assert started.TEST.VIEW_PLACEMENT == "paper"
    assert started.DATA.APPLY_ROTATION
    assert started.DATA.RANDOM_FLIP


def test_weights_that_tell_left_from_right_are_trained_without_flips(tiny_yaml, tmp_path):
    cfg = load_config(tiny_yaml, ["DATA.RANDOM_FLIP", "False"])
    path = tmp_path / "own.pyth"
    torch.save({"model_state": build_model(cfg).state_dict(), "cfg": cfg.dump()}, path)
    assert not config_of(start_values(read_model_spec(path)), source="test").DATA.RANDOM_FLIP


def test_image_weights_get_divided_attention_and_crops_of_whole_patches(tmp_path):
    path = tmp_path / "vit.pth"
    image = TimeSformer(img_size=518, patch_size=14, embed_dim=64, depth=1, num_heads=1,
                        attention_type="space_only")  # fmt: skip
    torch.save(image.state_dict(), path)
    started = config_of(start_values(read_model_spec(path)), source="test")
    assert started.TIMESFORMER.ATTENTION_TYPE == "divided_space_time"
    assert (started.DATA.NUM_FRAMES, started.DATA.SAMPLING_RATE) == (8, 32)
    assert (started.DATA.TRAIN_CROP_SIZE, started.DATA.TEST_CROP_SIZE) == (224, 224)
    assert started.DATA.TRAIN_JITTER_SCALES == [256, 320]


def test_a_space_only_video_model_stays_one(tiny_yaml, tmp_path):
    cfg = load_config(tiny_yaml, ["TIMESFORMER.ATTENTION_TYPE", "space_only"])
    path = tmp_path / "own.pyth"
    torch.save({"model_state": build_model(cfg).state_dict(), "cfg": cfg.dump()}, path)
    started = config_of(start_values(read_model_spec(path)), source="test")
    assert started.TIMESFORMER.ATTENTION_TYPE == "space_only"
    assert started.DATA.NUM_FRAMES == 4


def test_a_space_only_model_of_another_project_stays_one(shared):
    path = shared / "golden/shared_mmaction_space_only.pth"
    started = start_values(read_model_spec(path, overrides=["TIMESFORMER.NUM_HEADS", "3"]))
    assert started["TIMESFORMER.ATTENTION_TYPE"] == "space_only"
    assert started["DATA.MEAN"] == [0.5, 0.5, 0.5]


def test_settings_of_keys_of_any_depth_are_a_configuration_that_loads(tmp_path):
    values = {"DATA.FLOW.STACK": 3, "DATA.NUM_FRAMES": 4, "MODEL.NUM_CLASSES": 7, "NUM_GPUS": 0}
    (tmp_path / "finetune.yaml").write_text(presets.settings_text(tmp_path, values))
    cfg = load_config(tmp_path / "finetune.yaml")
    assert (cfg.DATA.FLOW.STACK, cfg.DATA.NUM_FRAMES, cfg.NUM_GPUS) == (3, 4, 0)
    assert str(tmp_path / "lists") == cfg.DATA.PATH_TO_DATA_DIR


def test_what_shapes_do_not_tell_is_taken_from_the_command_line():
    pairs = ["MODEL.MODEL_NAME", "c3d", "SOLVER.BASE_LR", "1", "TIMESFORMER.NUM_HEADS", "2"]
    assert presets.head_pairs(pairs) == pairs[:2] + pairs[4:]
