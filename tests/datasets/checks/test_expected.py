"""What a check expects, by options and by a configuration."""

from pathlib import Path

from timesformer.config import load_config
from timesformer.datasets.checks.expected import build_expected

NOTHING = {"prefix": "", "separator": "", "num_classes": None, "min_frames": None}


def test_without_a_configuration_one_frame_is_enough():
    expected = build_expected(None, **NOTHING)
    assert expected[:3] == ("", " ", None)
    assert (expected.shortest(25.0), expected.reports) == (1, None)


def test_a_configuration_gives_what_options_do_not(tiny_yaml, tmp_path):
    cfg = load_config(tiny_yaml, ["DATA.PATH_PREFIX", "videos", "OUTPUT_DIR", str(tmp_path)])
    expected = build_expected(cfg, **NOTHING)
    assert expected[:3] == ("videos", " ", 3)
    assert expected.shortest(30.0) == 16  # 4 frames at rate 4
    assert expected.shortest(60.0) == 32
    assert expected.reports == Path(tmp_path, "check")
    given = build_expected(cfg, prefix="a", separator=",", num_classes=5, min_frames=7)
    assert given[:3] == ("a", ",", 5)
    assert given.shortest(60.0) == 7


def test_segments_need_a_frame_for_each_of_a_clip(tiny_yaml):
    cfg = load_config(tiny_yaml, ["TRAIN.DATASET", "ssv2", "TEST.DATASET", "ssv2"])
    assert build_expected(cfg, **NOTHING).shortest(60.0) == 4
