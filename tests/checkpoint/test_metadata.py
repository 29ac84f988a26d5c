"""What a checkpoint says of itself."""

import hashlib

import pytest
import torch

from timesformer.checkpoint import metadata
from timesformer.checkpoint.newest import newest_checkpoint
from timesformer.config import ConfigError, load_config
from timesformer.datasets import build_view, load_views, read_list
from timesformer.datasets.views import Views
from timesformer.engine.run import launch_run


@pytest.fixture
def config(tiny_yaml):
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in overrides])


@pytest.mark.parametrize("crops", [1, 3])
@pytest.mark.parametrize("dataset", ["kinetics", "ssv2"])
def test_the_preprocessing_is_that_of_testing(config, crops, dataset):
    cfg = config("TEST.NUM_SPATIAL_CROPS", crops, "TEST.DATASET", dataset)
    said, view = metadata.build_preprocessing(cfg), build_view(cfg, "test")
    assert isinstance(view, Views)
    assert (said["short_side"], said["crop_size"]) == (view.short_side, view.crop)
    assert (said["num_temporal_views"], said["view_placement"]) == (view.num_views, view.placement)
    assert said["num_spatial_crops"] == len(view.crops)
    assert said["sampling"] == ("segments" if dataset == "ssv2" else "dense")


def test_the_fingerprint_is_the_hash_of_the_list(config, data_dir):
    said = metadata.fingerprint(read_list(config(), "train"))
    assert said["sha256"] == hashlib.sha256((data_dir / "train.csv").read_bytes()).hexdigest()
    assert (said["videos"], said["list"]) == (24, str(data_dir / "train.csv"))


def test_names_that_are_not_one_for_each_class_are_refused(config):
    videos = read_list(config(), "train")._replace(class_names=("run", "sit"))
    with pytest.raises(ConfigError, match=r"name 2 classes, but MODEL.NUM_CLASSES is 3"):
        metadata.build_metadata(config(), {"train": videos})


def test_a_checkpoint_of_a_run_says_how_it_was_made(tiny_yaml, data_dir, tmp_path, monkeypatch):
    (data_dir / "classes.txt").write_text("dark\ngrey\nbright\n")
    monkeypatch.setattr("sys.argv", ["tools/run_net.py", "--cfg", "tiny.yaml"])
    try:
        cfg = load_config(tiny_yaml, ["SOLVER.MAX_EPOCH", "1", "TEST.ENABLE", "False"])
        launch_run(cfg)
    finally:
        (data_dir / "classes.txt").unlink()
    path = newest_checkpoint(tmp_path / "out")
    saved = torch.load(path, weights_only=True)
    assert saved["class_names"] == ["dark", "grey", "bright"]
    assert saved["command"] == "tools/run_net.py --cfg tiny.yaml"
    assert saved["versions"]["torch"] == torch.__version__
    assert saved["data"].keys() == {"train", "val"}
    views = load_views(data_dir / "videos/test 0.mp4", cfg)
    said = saved["preprocessing"]
    assert tuple(views.shape[2:]) == (said["num_frames"], said["crop_size"], said["crop_size"])
    assert len(views) == said["num_temporal_views"] * said["num_spatial_crops"]
