"""What is only known on the machine; lists and files are tested through tools/run_net.py."""

import pytest
import torch

from timesformer.config import ConfigError, load_config
from timesformer.datasets import index
from timesformer.datasets.index import Row
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


def test_a_list_of_known_bad_videos_is_too_small(config, tmp_path, data_dir):
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "videos").symlink_to(data_dir / "videos")
    for split in ("train", "val", "test"):
        (folder / f"{split}.csv").write_text((data_dir / f"{split}.csv").read_text())
    rows = []
    for i in range(22):
        path = f"videos/train {i}.mp4"
        size, mtime_ns = index.file_state(str(folder / path))
        rows.append(Row(path, 0, size, mtime_ns, 0, 0, 0, 0, 0, 0, "", "crashed", "x", "", ""))
    index.write_index(folder / "train.csv", rows)
    cfg = config("DATA.PATH_TO_DATA_DIR", folder)
    with pytest.raises(
        ConfigError, match=r"has 2 videos that its index .* \(22 are\), fewer than one"
    ):
        preflight(cfg)
    index.write_index(folder / "train.csv", rows[:20])
    preflight(cfg)
    (folder / "val.csv.index.csv").write_text("nonsense")
    with pytest.raises(ConfigError, match=r"val\.csv\.index\.csv is not an index"):
        preflight(cfg)
