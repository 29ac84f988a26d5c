"""What is only known on the machine; lists and files are tested through tools/run_net.py."""

import pytest
import torch

from timesformer.config import ConfigError, load_config
from timesformer.engine.preflight import preflight


@pytest.fixture
def config(tiny_yaml):
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in overrides])


def test_a_run_that_can_start_passes(config):
    preflight(config())


@pytest.mark.parametrize(
    ("available", "remedy"), [(0, "NUM_GPUS 0 to run on the CPU"), (2, "pass NUM_GPUS 2")]
)
def test_missing_gpus_are_named_with_what_is_there(config, monkeypatch, available, remedy):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: available)
    with pytest.raises(
        ConfigError, match=f"NUM_GPUS is 4, but this machine has {available}.*{remedy}"
    ):
        preflight(config("NUM_GPUS", 4, "TRAIN.BATCH_SIZE", 8))


def test_torchrun_processes_and_gpus_must_agree(config, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(
        ConfigError, match="NUM_GPUS is 4, but torchrun started 2 processes.*GPUS 2"
    ):
        preflight(config("NUM_GPUS", 4))
    preflight(config("NUM_GPUS", 2))


def test_what_is_not_enabled_needs_nothing(config, tmp_path, data_dir):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/videos").symlink_to(data_dir / "videos")
    (tmp_path / "lists/test.csv").write_text((data_dir / "test.csv").read_text())
    preflight(config("TRAIN.ENABLE", 0, "DATA.PATH_TO_DATA_DIR", tmp_path / "lists"))


def test_repeats_count_videos_instead_of_clips(config, monkeypatch):
    preflight(config("AUG.NUM_REPEATS", 2, "TRAIN.BATCH_SIZE", 48))  # of 24 videos
    with pytest.raises(ConfigError, match=r"24 videos, fewer than one batch \(25\)"):
        preflight(config("AUG.NUM_REPEATS", 2, "TRAIN.BATCH_SIZE", 50))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(
        ConfigError,
        match=r"TRAIN.BATCH_SIZE is 6, but the 2 processes .* times AUG.NUM_REPEATS \(2\) must",
    ):
        preflight(config("AUG.NUM_REPEATS", 2, "TRAIN.BATCH_SIZE", 6))


def test_a_flip_map_is_read_before_the_run(config):
    with pytest.raises(ConfigError, match="AUG.FLIP_MAP no_such.json cannot be read"):
        preflight(config("AUG.FLIP_MAP", "no_such.json"))
    preflight(config("AUG.FLIP_MAP", "no_such.json", "TRAIN.ENABLE", 0))
