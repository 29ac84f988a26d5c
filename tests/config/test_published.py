"""The published accuracies, as the heads of the recipes say them, found by the settings of a run."""

import pytest

from timesformer.config import load_config
from timesformer.config.published import Published, build_published, published
from timesformer.config.shipped import RECIPES, recipe_names


def test_every_number_of_a_head_is_found():
    """Of tables 1, 3, 5, 6, 7 and 8 of the paper, and of the README of the published code."""
    found = {each.recipe: (each.paper, each.released) for each in published()}
    assert found == {
        "Baselines/I3D_8x8_R50": ("", "73.5 / 90.8"),  # of the model zoo of PySlowFast
        "Baselines/SlowFast_8x8_R50": ("77.0 / 92.6", ""),
        "Baselines/Slow_8x8_R50": ("", "74.8 / 91.6"),
        "Baselines/X3D_M": ("", "76.2"),
        "Diving48/TimeSformer_divST_8x32_224": ("74.9", ""),
        "HowTo100M/TimeSformer_divST_32x32_224": ("61.2", ""),
        "HowTo100M/TimeSformer_divST_64x32_224": ("62.2", ""),
        "HowTo100M/TimeSformer_divST_8x32_224": ("56.8", ""),
        "HowTo100M/TimeSformer_divST_96x32_224": ("62.6", ""),
        "Kinetics/TimeSformer_divST_16x16_448": ("79.7 / 94.4", "79.6 / 94.0"),
        "Kinetics/TimeSformer_divST_16x16_448_K600": ("81.8 / 95.8", ""),
        "Kinetics/TimeSformer_divST_8x32_224": ("78.0 / 93.7", "77.9 / 93.2"),
        "Kinetics/TimeSformer_divST_8x32_224_K600": ("79.1 / 94.4", ""),
        "Kinetics/TimeSformer_divST_96x4_224": ("80.7 / 94.7", "80.6 / 94.7"),
        "Kinetics/TimeSformer_divST_96x4_224_K600": ("82.2 / 95.6", ""),
        "Kinetics/TimeSformer_jointST_8x32_224": ("77.4", ""),
        "Kinetics/TimeSformer_spaceOnly_8x32_224": ("76.9", ""),
        "SSv2/TimeSformer_divST_16_448": ("62.2", "61.8 / 86.9"),
        "SSv2/TimeSformer_divST_64_224": ("", "62.0 / 87.5"),
        "SSv2/TimeSformer_divST_8_224": ("59.5", "59.1 / 85.6"),
    }


@pytest.mark.parametrize("name", [each.recipe for each in published()])
def test_a_run_of_a_recipe_finds_its_own(name):
    keys = ["OUTPUT_DIR", "elsewhere", "TEST.VIEW_PLACEMENT", "paper", "DATA.ENSEMBLE_METHOD", "softmax",
            "TEST.PROTOCOLS", "[paper, official]", "TEST.FORWARD_BATCH", "3"]  # fmt: skip
    found = build_published(load_config(RECIPES / f"{name}.yaml", keys))
    assert found is not None
    assert found.recipe == name


def test_the_test_recipe_is_the_one_that_it_tests():
    found = build_published(load_config("Kinetics/TimeSformer_divST_8x32_224_TEST"))
    assert found == Published("Kinetics/TimeSformer_divST_8x32_224", "78.0 / 93.7", "77.9 / 93.2")


@pytest.mark.parametrize(
    "keys",
    [
        ["MODEL.NUM_CLASSES", "7"],
        ["TEST.NUM_ENSEMBLE_VIEWS", "10"],
        ["TIMESFORMER.ATTENTION_TYPE", "axial"],
        ["DATA.SAMPLING_RATE", "16"],
    ],
)
def test_other_settings_have_no_published_number(keys):
    assert build_published(load_config("Kinetics/TimeSformer_divST_8x32_224", keys)) is None


def test_recipes_of_other_data_have_none():
    for name in recipe_names():
        if name.startswith(("Motion", "UCF101", "HMDB51")):
            assert build_published(load_config(name)) is None
