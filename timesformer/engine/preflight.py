"""What can be known before a run starts: GPUs, lists, videos, checkpoints, the output folder.

All problems are reported together, before a process is started or a frame decoded.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import torch
from fvcore.common.config import CfgNode

from timesformer.config import ConfigError
from timesformer.config.load import portable
from timesformer.datasets import read_list
from timesformer.datasets.flip_map import build_flip_map
from timesformer.datasets.lists import ListError


def preflight(cfg: CfgNode) -> None:
    """Raise one ConfigError that lists everything that would stop the run later, or return."""
    problems = [*_device_problems(cfg), *_output_problems(cfg), *_checkpoint_problems(cfg)]
    for split in _splits(cfg):
        problems += _list_problems(cfg, split)
    problems += _flip_map_problems(cfg)
    if problems:
        raise ConfigError("\n".join(problems))


def _splits(cfg: CfgNode) -> list[str]:
    return ["train", "val"] * cfg.TRAIN.ENABLE + ["test"] * cfg.TEST.ENABLE


def _device_problems(cfg: CfgNode) -> Iterator[str]:
    available = torch.cuda.device_count()
    if available < cfg.NUM_GPUS:
        remedy = f"NUM_GPUS {available}" if available else "NUM_GPUS 0 to run on the CPU"
        yield f"NUM_GPUS is {cfg.NUM_GPUS}, but this machine has {available}; pass {remedy}"
    local = int(os.environ.get("LOCAL_WORLD_SIZE", 0))  # set by torchrun
    if not local:
        return
    if cfg.NUM_GPUS not in (0, local):
        yield (
            f"NUM_GPUS is {cfg.NUM_GPUS}, but torchrun started {local} processes on this machine; "
            f"pass NUM_GPUS {local}, or 0 for the CPU"
        )
    repeats = {"TRAIN": cfg.AUG.NUM_REPEATS, "TEST": 1}
    for section, repeat in repeats.items():
        if cfg[section].ENABLE and cfg[section].BATCH_SIZE % (local * repeat):
            share = f" times AUG.NUM_REPEATS ({repeat})" if repeat > 1 else ""
            yield (
                f"{section}.BATCH_SIZE is {cfg[section].BATCH_SIZE}, but the {local} processes of "
                f"this machine{share} must divide it"
            )


def _output_problems(cfg: CfgNode) -> Iterator[str]:
    folder = Path(cfg.OUTPUT_DIR)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-test-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        yield f"OUTPUT_DIR is {cfg.OUTPUT_DIR!r}, but it cannot be written: {error.strerror}"


def _checkpoint_problems(cfg: CfgNode) -> Iterator[str]:
    named = []
    if cfg.TRAIN.ENABLE:
        named += [f"TENSORBOARD.{key}" for key in ("CLASS_NAMES_PATH", "CATEGORIES_PATH")]
        named.append("TRAIN.CHECKPOINT_FILE_PATH")
        if cfg.TIMESFORMER.PRETRAINED_MODEL != "none":
            named.append("TIMESFORMER.PRETRAINED_MODEL")
    if cfg.TEST.ENABLE:
        named.append("TEST.CHECKPOINT_FILE_PATH")
    for key in named:
        section, name = key.split(".")
        if cfg[section][name] and not portable(cfg[section][name]).exists():
            yield f"{key} is {cfg[section][name]!r}, but there is no such file; check the path"


def _list_problems(cfg: CfgNode, split: str) -> Iterator[str]:
    try:
        videos = read_list(cfg, split)
    except ListError as error:
        yield str(error)
        return
    if missing := videos.missing():
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        yield (
            f"{videos.origin}: {len(missing)} of {len(videos.labels)} videos do not exist "
            f"({shown}); set DATA.PATH_PREFIX to their folder, or remove these lines"
        )
    batch = cfg.TRAIN.BATCH_SIZE * cfg.NUM_SHARDS // cfg.AUG.NUM_REPEATS
    if split == "train" and len(videos.labels) < batch:
        yield (
            f"{videos.origin} has {len(videos.labels)} videos, fewer than one batch "
            f"({batch}); lower TRAIN.BATCH_SIZE"
        )


def _flip_map_problems(cfg: CfgNode) -> Iterator[str]:
    try:
        if cfg.TRAIN.ENABLE:
            build_flip_map(cfg)
    except ConfigError as error:
        yield str(error)
