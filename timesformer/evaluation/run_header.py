"""The five lines that a run begins with: output, device, model, data, and the weights it starts from."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from timesformer.config import CfgNode
from timesformer.datasets.lists import VideoList
from timesformer.io.terminal import printable
from timesformer.runtime import collectives

NAME_WIDTH = 9


def output(cfg: CfgNode) -> str:
    """Where everything goes."""
    return _line("output", f"{printable(cfg.OUTPUT_DIR)} (config.yaml, stdout.log, ...)")


def device(cfg: CfgNode, on: str) -> str:
    """What computes, in how many processes, how exactly, and how much at once."""
    processes = collectives.world_size()
    num = torch.get_num_threads()
    threads = "" if cfg.NUM_GPUS else f", {num} thread{'s' * (num > 1)} each"
    parts = [f"{processes} process{'es' * (processes > 1)} on {on}{threads}"]
    if cfg.TRAIN.ENABLE:
        parts += [cfg.TRAIN.PRECISION, f"{cfg.GLOBAL_BATCH_SIZE} clips a step"]
    else:
        parts += [cfg.TEST.PRECISION, f"{cfg.TEST.BATCH_SIZE} videos a batch"]
    return _line("device", ", ".join(parts))


def model(of: nn.Module, cfg: CfgNode) -> str:
    """Kind, size and input."""
    millions = sum(parameter.numel() for parameter in of.parameters()) / 1e6
    side = cfg.DATA.TRAIN_CROP_SIZE if cfg.TRAIN.ENABLE else cfg.DATA.TEST_CROP_SIZE
    clip = f"clips of {cfg.DATA.NUM_FRAMES} frames (every {_ordinal(cfg)}), {side} x {side}"
    kind = cfg.TIMESFORMER.ATTENTION_TYPE
    return _line("model", f"{kind}, {millions:.{1 if millions >= 1 else 2}f} M parameters, {clip}")


def data(cfg: CfgNode, lists: Mapping[str, VideoList]) -> str:
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


def _ordinal(cfg: CfgNode) -> str:
    rate = cfg.DATA.SAMPLING_RATE
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{rate}{ends.get(rate % 10, 'th') if rate % 100 not in (11, 12, 13) else 'th'}"


def _line(name: str, text: str) -> str:
    return f"{name.ljust(NAME_WIDTH)}{text}"
