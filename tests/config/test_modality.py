"""What DATA.MODALITY decides and excludes."""

import pytest

from timesformer.config import ConfigError, load_config
from timesformer.config.modality import num_channels


@pytest.fixture
def load(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("NUM_GPUS: 0\nDATA: {TEST_CROP_SIZE: 224}\n")
    return lambda *overrides: load_config(path, [str(item) for item in overrides])


@pytest.mark.parametrize(
    ("overrides", "channels"),
    [
        ((), 3),
        (("DATA.MODALITY", "flow"), 20),
        (("DATA.MODALITY", "flow", "DATA.FLOW.STACK", 1), 2),
        (("DATA.MODALITY", "rgb+flow"), 23),
    ],
)
def test_the_channels_of_a_clip(load, overrides, channels):
    assert num_channels(load(*overrides)) == channels


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["DATA.REVERSE_INPUT_CHANNEL", "True"], "DATA.REVERSE_INPUT_CHANNEL changes colours, but"),
        (["AUG.AUTO_AUGMENT", "randaugment"], "AUG.AUTO_AUGMENT changes colours"),
        (["AUG.COLOR_JITTER", "[0.4, 0, 0, 0]"], "AUG.COLOR_JITTER changes colours"),
        (["AUG.GRAYSCALE_PROB", 0.1], "AUG.GRAYSCALE_PROB changes .*leave .* at its default"),
        (["AUG.BLUR_PROB", 0.1], "AUG.BLUR_PROB changes colours"),
        (["AUG.ERASING_PROB", 0.1], "AUG.ERASING_PROB changes colours"),
        (
            ["DATA.FLOW.METHOD", "raft_small"],
            "raft_small, whose weights are a file; set DATA.FLOW.W",
        ),
        (["DATA.FLOW.METHOD", "lk"], "choose one of dis, farneback, tvl1, raft_small"),
        (["DATA.FLOW.BOUND", 0], "DATA.FLOW.BOUND is 0.0, but must be above 0"),
        (["DATA.FLOW.STACK", 0], "DATA.FLOW.STACK is 0, but must be at least 1"),
        (["DATA.FLOW.SHORT_SIDE", 8], "DATA.FLOW.SHORT_SIDE is 8, but must be at least 16"),
        (
            ["DATA.FLOW.CACHE", "flow", "TRAIN.DATASET", "ssv2", "TEST.DATASET", "ssv2"],
            "the data set is ssv2; leave DATA.FLOW.CACHE empty",
        ),
    ],
)
def test_what_does_not_go_with_flow_is_an_error(load, overrides, message):
    with pytest.raises(ConfigError, match=message):
        load("DATA.MODALITY", "flow", *overrides)


def test_colours_may_be_augmented_beside_flow(load):
    load("DATA.MODALITY", "rgb+flow", "AUG.BLUR_PROB", 0.1)
    with pytest.raises(ConfigError, match="whose weights are a file"):
        load("DATA.MODALITY", "rgb+flow", "DATA.FLOW.METHOD", "raft_small")


def test_rgb_takes_all_of_that(load):
    load("DATA.FLOW.METHOD", "raft_small", "AUG.BLUR_PROB", 0.1)


def test_an_unknown_modality_lists_the_others(load):
    with pytest.raises(
        ConfigError, match="DATA.MODALITY is 'depth'; choose one of rgb, flow, rgb.flow"
    ):
        load("DATA.MODALITY", "depth")
