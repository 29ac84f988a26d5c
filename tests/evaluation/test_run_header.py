"""The lines that a run begins with."""

import numpy as np
import torch

from timesformer.config import load_config
from timesformer.datasets.lists import VideoList
from timesformer.evaluation import run_header
from timesformer.models import build_model


def test_every_line_says_what_there_is(tiny_yaml):
    cfg = load_config(tiny_yaml, ["GLOBAL_BATCH_SIZE", "16", "DATA.SAMPLING_RATE", "2"])
    model = build_model(cfg)
    count = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    assert f"{count:.2f} M parameters" in run_header.build_model_line(cfg, model)
    assert f"clips of {cfg.DATA.NUM_FRAMES} frames (every 2nd)" in run_header.build_model_line(
        cfg, model
    )
    threads = torch.get_num_threads()
    line = run_header.build_device_line(cfg, "CPU")
    assert (
        line
        == f"device   1 process on CPU, {threads} thread{'s' * (threads > 1)} each, fp32, 16 clips a step"
    )
    assert str(cfg.OUTPUT_DIR) in run_header.build_output_line(cfg)
    assert run_header.weights("4 tensors loaded", "testing: ").endswith("testing: 4 tensors loaded")


def test_data_are_counted_and_classes_escaped(tiny_yaml):
    cfg = load_config(tiny_yaml)
    names = ("a\x1b[2J", *map(str, range(cfg.MODEL.NUM_CLASSES - 1)))
    labels = np.zeros(3, dtype=np.int64)
    lists = {
        split: VideoList([], labels, f"/data/{split}.csv", names) for split in ("train", "val")
    }
    line = run_header.build_data_line(cfg, lists)
    assert line.startswith("data     /data: 3 train, 3 val videos, 3 classes (a\\x1b[2J, 0, 1")


def test_ordinals_are_english():
    said = [run_header._ordinal(rate) for rate in (1, 3, 11, 12, 22, 32)]
    assert said == ["1st", "3rd", "11th", "12th", "22nd", "32nd"]
