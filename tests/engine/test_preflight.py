"""What is only known on the machine; lists and files are tested through tools/run_net.py."""

import os
from pathlib import Path

import fsspec
import pytest
import torch
from torch.distributed.fsdp import FSDPModule

from timesformer.checkpoint import save
from timesformer.config import ConfigError, load_config
from timesformer.datasets import scan_index
from timesformer.datasets.scan_index import ScanRow
from timesformer.engine.preflight import preflight
from timesformer.models import build_model


@pytest.fixture
def config(tiny_yaml):
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in overrides])


def test_a_run_that_can_start_passes(config):
    preflight(config())


def test_a_problem_of_all_lists_is_reported_once(config):
    with pytest.raises(ConfigError) as caught:
        preflight(config("DATA.PATH_TO_DATA_DIR", ""))
    assert str(caught.value).count("DATA.PATH_TO_DATA_DIR is empty") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the full disk of Linux")
def test_a_full_disk_is_found_though_an_empty_file_fits_on_it(config, tmp_path):
    (tmp_path / "out").mkdir()
    probe = tmp_path / f"out/.write-test-{os.getpid()}"
    probe.symlink_to("/dev/full")
    with pytest.raises(
        ConfigError, match="OUTPUT_DIR is .*cannot be written: No space left on dev"
    ):
        preflight(config())
    assert not probe.is_symlink()


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


def test_a_task_that_is_not_enabled_needs_no_files(config, tmp_path, data_dir):
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
        size, mtime_ns = scan_index.file_state(str(folder / path))
        rows.append(ScanRow(path, 0, size, mtime_ns, 0, 0, 0, 0, 0, 0, "", "crashed", "x", "", ""))
    scan_index.write_index(folder / "train.csv", rows)
    cfg = config("DATA.PATH_TO_DATA_DIR", folder)
    with pytest.raises(
        ConfigError, match=r"has 2 videos that its index .* \(22 are\), fewer than one"
    ):
        preflight(cfg)
    scan_index.write_index(folder / "train.csv", rows[:20])
    preflight(cfg)
    (folder / "val.csv.index.csv").write_text("nonsense")
    with pytest.raises(ConfigError, match=r"val\.csv\.index\.csv is not an index"):
        preflight(cfg)


@pytest.mark.parametrize("key", ["TRAIN.CHECKPOINT_FILE_PATH", "TEST.CHECKPOINT_FILE_PATH"])
def test_a_checkpoint_that_does_not_fit_is_found_before_training(config, tmp_path, key):
    path = tmp_path / "model.pyth"
    torch.save(build_model(config("TIMESFORMER.EMBED_DIM", 64)).state_dict(), path)
    with pytest.raises(ConfigError, match=f"{key}: .*another architecture"):
        preflight(config(key, path))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ConfigError, match=f"{key}: .*truncated"):
        preflight(config(key, path))


KEYS = ["TRAIN.CHECKPOINT_FILE_PATH", "TEST.CHECKPOINT_FILE_PATH", "TIMESFORMER.PRETRAINED_MODEL"]


@pytest.mark.parametrize("key", KEYS)
def test_weights_that_are_not_finite_are_found_before_the_run(config, tmp_path, key):
    model = build_model(config())
    model.norm.weight.data[5] = torch.nan
    path, keys = tmp_path / "model.pyth", [key, tmp_path / "model.pyth"]
    state, options = save.named_state(model), config(*keys)
    torch.save({"epoch": 0, "model_state": state, "optimizer_state": {}}, path)
    with pytest.raises(ConfigError, match=r"NaN or infinity in 1 of .*norm.weight.* finite"):
        preflight(options)


def test_a_checkpoint_that_this_run_writes_may_be_tested(config, tmp_path):
    path = tmp_path / "out/checkpoints/checkpoint_epoch_00002.pyth"
    preflight(config("TEST.CHECKPOINT_FILE_PATH", path))


def test_files_of_figures_are_checked_only_if_there_are_figures(config):
    board = ["TENSORBOARD.CONFUSION_MATRIX.ENABLE", 1, "TENSORBOARD.CLASS_NAMES_PATH", "gone.json"]
    preflight(config(*board))
    with pytest.raises(ConfigError, match=r"TENSORBOARD file gone\.json cannot be read"):
        preflight(config(*board, "TENSORBOARD.ENABLE", 1))


def test_machines_of_torchrun_count_for_the_smallest_list(config, monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    monkeypatch.setenv("WORLD_SIZE", "8")
    with pytest.raises(ConfigError, match=r"24 videos.*, fewer than one batch \(32\)"):
        preflight(config())


@pytest.fixture
def remote_list(tmp_path):
    """A test list of ``lines``; returns the overrides that use it."""

    def make(*lines):
        (tmp_path / "remote").mkdir()
        (tmp_path / "remote/test.csv").write_text("\n".join(lines))
        return ["TRAIN.ENABLE", 0, "DATA.PATH_TO_DATA_DIR", tmp_path / "remote"]

    return make


def test_missing_remote_videos_are_named_unless_the_check_is_off(config, remote_list):
    fsspec.filesystem("memory").pipe("/preflight/a.mp4", b"x")
    overrides = remote_list("memory://preflight/a.mp4 0", "memory://preflight/b.mp4 1")
    with pytest.raises(ConfigError, match=r"1 of 2 videos do not exist \(memory://preflight/b.mp4"):
        preflight(config(*overrides))
    preflight(config(*overrides, "DATA.CHECK_EXISTENCE", 0))


def test_prefixes_may_be_urls(config, remote_list):
    overrides = [*remote_list("b.mp4 1"), "DATA.PATH_PREFIX", "memory://preflight"]
    with pytest.raises(ConfigError, match=r"1 of 1 videos do not exist \(memory://preflight/b.mp4"):
        preflight(config(*overrides))


def test_unknown_protocols_are_named(config, remote_list):
    with pytest.raises(ConfigError, match=r"test.csv: nosuch://a.mp4: .*protocol that fsspec"):
        preflight(config(*remote_list("nosuch://a.mp4 0")))


@pytest.mark.torchcodec
def test_a_decoder_without_its_gpu_is_named(config, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    keys = ("DATA.DECODING_BACKEND", "torchcodec", "DATA.DECODING_DEVICE")
    with pytest.raises(ConfigError, match="DECODING_DEVICE is 'cuda', but this machine has no GPU"):
        preflight(config(*keys, "cuda"))
    preflight(config(*keys, "cpu"))


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


def test_more_batches_to_overfit_than_the_list_has(config, tmp_path):
    preflight(config("DATA.OVERFIT_BATCHES", 6))
    with pytest.raises(
        ConfigError, match=r"OVERFIT_BATCHES is 7, 28 videos, but .*train.csv has 24 that can"
    ):
        preflight(config("DATA.OVERFIT_BATCHES", 7))


def test_sharding_needs_a_pytorch_that_can_validate(config, monkeypatch):
    sharded = config("DIST.STRATEGY", "fsdp", "DIST.CPU_PROCESSES", 2)
    if hasattr(FSDPModule, "set_reshard_after_forward"):
        preflight(sharded)
    monkeypatch.delattr(FSDPModule, "set_reshard_after_forward", raising=False)  # as before 2.8
    preflight(config())
    with pytest.raises(
        ConfigError, match=r"DIST.STRATEGY fsdp needs PyTorch 2.8, and this is .* ddp"
    ):
        preflight(sharded)
