"""The data that a configuration names: lists, datasets, loaders, and the views of one video."""

import os
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from fvcore.common.config import CfgNode
from torch import Tensor
from torch.utils.data import DataLoader

from timesformer import distributed, transforms
from timesformer.config.load import portable
from timesformer.datasets import clips, lists
from timesformer.datasets.clips import Batch, ClipDataset, DenseSampling, SegmentSampling
from timesformer.datasets.samplers import EvalBatches, TrainBatches
from timesformer.tables import choose
from timesformer.video import READERS, VideoError, read_torchcodec, sampling
from timesformer.video.remote import is_url
from timesformer.video.sources import is_local_file

DATASETS = {"kinetics": lists.read_kinetics, "ssv2": lists.read_ssv2}
CROPS = {1: (1,), 2: (0, 1), 3: (0, 1, 2)}  # NUM_SPATIAL_CROPS -> start, centre, end


def read_list(cfg: CfgNode, split: str) -> lists.VideoList:
    """The list of ``split`` (train, val or test), parsed and checked against NUM_CLASSES.

    Raises:
        ListError: see ``lists``; also if DATA.PATH_TO_DATA_DIR is empty.
    """
    if not cfg.DATA.PATH_TO_DATA_DIR:
        raise lists.ListError(
            "DATA.PATH_TO_DATA_DIR is empty; set it to the folder of train.csv, val.csv, test.csv"
        )
    return choose(DATASETS, _dataset(cfg, split), key=f"{split.upper()}.DATASET")(
        portable(cfg.DATA.PATH_TO_DATA_DIR),
        split,
        prefix=_prefix(cfg.DATA.PATH_PREFIX),
        separator=cfg.DATA.PATH_LABEL_SEPARATOR,
        num_classes=cfg.MODEL.NUM_CLASSES,
    )


def build_dataset(cfg: CfgNode, split: str) -> ClipDataset:
    """Samples of ``split``: random clips for train, the middle clip for val, views for test."""
    return ClipDataset(
        read_list(cfg, split),
        _view(cfg, split),
        seed=cfg.RNG_SEED,
        read=_reader(cfg),
        reverse_channels=cfg.DATA.REVERSE_INPUT_CHANNEL,
        multi_thread=cfg.DATA_LOADER.ENABLE_MULTI_THREAD_DECODE or not cfg.DATA_LOADER.NUM_WORKERS,
    )


def build_loader(cfg: CfgNode, split: str) -> "DataLoader[Batch]":
    """Batches of this process; ``loader.batch_sampler.set_epoch`` chooses the epoch."""
    dataset = build_dataset(cfg, split)
    rank, world = distributed.rank(), distributed.world_size()
    if split == "train":
        batches = TrainBatches(
            len(dataset),
            batch_size=cfg.TRAIN.BATCH_SIZE // distributed.local_world_size(),
            rank=rank,
            world=world,
            seed=cfg.RNG_SEED,
        )
    else:
        section = cfg.TEST if split == "test" else cfg.TRAIN
        num_clips = num_test_views(cfg) if split == "test" else 1
        per_process = max(section.BATCH_SIZE // distributed.local_world_size(), 1)
        batch_size = max(per_process // num_clips, 1)
        batches = EvalBatches(len(dataset), batch_size=batch_size, rank=rank, world=world)
    workers = num_workers(cfg)
    return DataLoader(
        dataset,
        batch_sampler=batches,
        collate_fn=clips.collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=cfg.DATA_LOADER.PIN_MEMORY and torch.cuda.is_available(),
        worker_init_fn=_start_worker,
        # A forked process cannot use a GPU that its parent has used.
        multiprocessing_context="spawn" if workers and cfg.DATA.DECODING_DEVICE == "cuda" else None,
    )


def load_views(path: str | Path, cfg: CfgNode) -> Tensor:
    """The test views of one video, (views, 3, T, S, S) float32, normalised.

    View = temporal view * NUM_SPATIAL_CROPS + crop. ``path`` is a video (a file, a URL or a member of
    a tar), or a folder of frames, which are taken in the order of their names.

    Raises:
        VideoError: the video cannot be read.
    """
    files = _files(portable(path)) if is_local_file(path) else [str(path)]
    view = _view(cfg, "test")
    select, spatials = view.draw(np.random.default_rng(cfg.RNG_SEED))
    frames = clips.read_files(files, select, read=_reader(cfg), multi_thread=True)
    views = clips.cut_clips(frames, spatials, reverse_channels=cfg.DATA.REVERSE_INPUT_CHANNEL)
    return normalizer(cfg)(views)


def normalizer(cfg: CfgNode) -> "partial[Tensor]":
    """uint8 clips to what the model takes; runs on whatever device the clips are on."""
    return partial(transforms.normalize, mean=tuple(cfg.DATA.MEAN), std=tuple(cfg.DATA.STD))


def num_test_views(cfg: CfgNode) -> int:
    """Clips of one video in testing."""
    return cfg.TEST.NUM_ENSEMBLE_VIEWS * cfg.TEST.NUM_SPATIAL_CROPS


def num_workers(cfg: CfgNode) -> int:
    """Loader processes of this process: as configured, but no more than its share of the cores."""
    share = max((os.cpu_count() or 1) // distributed.local_world_size(), 1)
    return min(cfg.DATA_LOADER.NUM_WORKERS, share)


def _reader(cfg: CfgNode) -> clips.ReadVideo:
    read = choose(READERS, cfg.DATA.DECODING_BACKEND, key="DATA.DECODING_BACKEND")
    if read is read_torchcodec:
        return partial(read_torchcodec, device=cfg.DATA.DECODING_DEVICE)
    return read


def _prefix(prefix: str) -> str:
    return prefix if not prefix or is_url(prefix) else str(portable(prefix))


def _files(path: Path) -> list[str]:
    """A video file, or the frames of a folder."""
    if not path.is_dir():
        return [str(path)]
    files = sorted(str(file) for file in path.iterdir() if file.is_file())
    if not files:
        raise VideoError(f"{path}: a folder without frames")
    return files


def _dataset(cfg: CfgNode, split: str) -> str:
    return cfg.TEST.DATASET if split == "test" else cfg.TRAIN.DATASET


def _view(cfg: CfgNode, split: str) -> clips.Train | clips.Views:
    data, is_ssv2 = cfg.DATA, _dataset(cfg, split) == "ssv2"
    sampled: DenseSampling | SegmentSampling
    if is_ssv2:
        sampled = SegmentSampling(data.NUM_FRAMES)
    else:
        shape = sampling.ClipShape(data.NUM_FRAMES, data.SAMPLING_RATE, data.TARGET_FPS)
        sampled = DenseSampling(shape)
    smallest, largest = data.TRAIN_JITTER_SCALES
    if split == "train" or (split == "val" and cfg.TRAIN.RANDOM_VALIDATION):
        return clips.Train(
            sampled,
            jitter=(smallest, largest),
            crop=data.TRAIN_CROP_SIZE,
            flip=data.RANDOM_FLIP,
            inverse=data.INV_UNIFORM_SAMPLE,
            replaces=split == "train",
        )
    if split == "val":
        return clips.Views(sampled, 1, "paper", smallest, data.TRAIN_CROP_SIZE, CROPS[1])
    scaled_to_crop = is_ssv2 or cfg.TEST.NUM_SPATIAL_CROPS > 1
    return clips.Views(
        sampled,
        num_views=cfg.TEST.NUM_ENSEMBLE_VIEWS,
        placement=cfg.TEST.VIEW_PLACEMENT,
        short_side=data.TEST_CROP_SIZE if scaled_to_crop else smallest,
        crop=data.TEST_CROP_SIZE,
        crops=CROPS[cfg.TEST.NUM_SPATIAL_CROPS],
    )


def _start_worker(_: int) -> None:
    cv2.setNumThreads(0)  # the loader's processes are the parallelism
