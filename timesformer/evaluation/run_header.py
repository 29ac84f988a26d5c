"""The five lines that a run begins with: output, device, model, data, and the weights it starts from."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch

from timesformer.config import CfgNode
from timesformer.datasets.lists import VideoList
from timesformer.files import CONFIG, LOG
from timesformer.io.terminal import printable
from timesformer.models.classifier import Classifier
from timesformer.runtime import collectives

NAME_WIDTH = 9


def build_output_line(cfg: CfgNode) -> str:
    """Where the files of the run are."""
    return _line("output", f"{printable(cfg.OUTPUT_DIR)} ({CONFIG}, {LOG}, ...)")


def build_device_line(cfg: CfgNode, device: str) -> str:
    """Device, processes, precision, and how much is computed at once."""
    processes, threads = collectives.world_size(), torch.get_num_threads()
    each = "" if cfg.NUM_GPUS else f", {threads} thread{'s' * (threads > 1)} each"
    parts = [f"{processes} process{'es' * (processes > 1)} on {device}{each}"]
    if cfg.TRAIN.ENABLE:
        parts += [cfg.TRAIN.PRECISION, f"{cfg.GLOBAL_BATCH_SIZE} clips a step"]
    else:
        parts += [cfg.TEST.PRECISION, f"{cfg.TEST.BATCH_SIZE} videos a batch"]
    return _line("device", ", ".join(parts))


def build_model_line(cfg: CfgNode, model: Classifier) -> str:
    """Kind, size and input of the model."""
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    side = cfg.DATA.TRAIN_CROP_SIZE if cfg.TRAIN.ENABLE else cfg.DATA.TEST_CROP_SIZE
    every = _ordinal(cfg.DATA.SAMPLING_RATE)
    clip = f"clips of {cfg.DATA.NUM_FRAMES} frames (every {every}), {side} x {side}"
    return _line(
        "model", f"{model.kind}, {millions:.{1 if millions >= 1 else 2}f} M parameters, {clip}"
    )


def build_data_line(cfg: CfgNode, lists: Mapping[str, VideoList]) -> str:
    """Folder, videos and classes."""
    counts = ", ".join(f"{len(videos.labels)} {split}" for split, videos in lists.items())
    names = next(iter(lists.values())).class_names[: cfg.MODEL.NUM_CLASSES]
    shown = ", ".join(map(printable, names[:4])) + ", ..." * (len(names) > 4)
    called = f" ({shown})" if names else ""
    folders = Counter(str(Path(videos.origin).parent) for videos in lists.values())
    folder = printable(folders.most_common(1)[0][0])
    return _line("data", f"{folder}: {counts} videos, {cfg.MODEL.NUM_CLASSES} classes{called}")


def weights(report: object, before: str = "") -> str:
    """What a load did, or why nothing was loaded."""
    return _line("weights", f"{before}{report}")


def _ordinal(number: int) -> str:
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{ends.get(number % 10, 'th') if number % 100 not in (11, 12, 13) else 'th'}"


def _line(name: str, text: str) -> str:
    return f"{name.ljust(NAME_WIDTH)}{text}"
