"""Recipes of the baselines name models that take their clips."""

import re

import pytest

from tests.conftest import ROOT
from timesformer.config import load_config
from timesformer.config.shipped import recipe_names
from timesformer.models import MODELS, find_spec
from timesformer.models.trial import build_input_problem

FOLDERS = ("Baselines/", "Motion/")
NAMES = [n for n in recipe_names() if n.startswith(FOLDERS) and n != "Baselines/Kinetics"]


@pytest.mark.parametrize("name", NAMES)
def test_its_model_takes_its_clips(name):
    cfg = load_config(name)
    if cfg.MODEL.MODEL_NAME.startswith("pytorchvideo/"):
        pytest.importorskip("pytorchvideo")
    assert build_input_problem(cfg) == ""


def test_pixels_of_recipes_with_published_weights_are_theirs():
    cfg = load_config("Baselines/R2Plus1D_18_UCF101")
    wanted = find_spec(MODELS, cfg.MODEL.MODEL_NAME).defaults(cfg.MODEL.MODEL_NAME)
    data = cfg.DATA
    assert (wanted["DATA.MEAN"], wanted["DATA.STD"]) == (data.MEAN, data.STD)
    assert (data.NUM_FRAMES, data.TARGET_FPS, data.SAMPLING_RATE) == (16, 15, 1)


def test_the_script_of_the_motion_models_trains_every_recipe_of_them():
    script = (ROOT / "tools/motion_models.sh").read_text()
    trained = re.search(r"for recipe in (.*); do\n    name=\$\{recipe\}(_\w+)\n", script)
    names = {f"Motion/{recipe}{trained[2]}" for recipe in trained[1].split()}
    assert names == {name for name in recipe_names() if name.startswith("Motion/")}
