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
from timesformer.augment import build_augment, unchanged
from timesformer.config.load import portable
from timesformer.datasets import clips, lists
from timesformer.datasets.clips import Batch, ClipDataset, DenseSampling, SegmentSampling
from timesformer.datasets.flip_map import build_flip_map
from timesformer.datasets.samplers import EvalBatches, TrainBatches
from timesformer.tables import choose
from timesformer.video import READERS, Frames, VideoError, sampling
from timesformer.video.reader import Select

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
        prefix=str(portable(cfg.DATA.PATH_PREFIX)) if cfg.DATA.PATH_PREFIX else "",
        separator=cfg.DATA.PATH_LABEL_SEPARATOR,
        num_classes=cfg.MODEL.NUM_CLASSES,
    )


def build_dataset(cfg: CfgNode, split: str) -> ClipDataset:
    """Samples of ``split``: random clips for train, the middle clip for val, views for test."""
    return ClipDataset(
        read_list(cfg, split),
        build_view(cfg, split),
        seed=cfg.RNG_SEED,
        read=_reader(cfg),
        reverse_channels=cfg.DATA.REVERSE_INPUT_CHANNEL,
        multi_thread=cfg.DATA_LOADER.ENABLE_MULTI_THREAD_DECODE or not cfg.DATA_LOADER.NUM_WORKERS,
        augment=build_augment(cfg) if split == "train" else unchanged,
        opposite=None if split == "test" else build_flip_map(cfg),
    )


def build_loader(cfg: CfgNode, split: str) -> "DataLoader[Batch]":
    """Batches of this process; ``loader.batch_sampler.set_epoch`` chooses the epoch."""
    dataset = build_dataset(cfg, split)
    rank, world = distributed.rank(), distributed.world_size()
    if split == "train":
        num_clips = cfg.TRAIN.BATCH_SIZE // distributed.local_world_size()
        batches = TrainBatches(
            len(dataset),
            batch_size=num_clips // cfg.AUG.NUM_REPEATS,
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
    )


def load_views(path: str | Path, cfg: CfgNode) -> Tensor:
    """The test views of one video, (views, 3, T, S, S) float32, normalised.

    View = temporal view * NUM_SPATIAL_CROPS + crop. ``path`` is as in ``load_frames``.

    Raises:
        VideoError: the video cannot be read.
    """
    view = build_view(cfg, "test")
    select, spatials = view.draw(np.random.default_rng(cfg.RNG_SEED))
    frames = load_frames(path, select, cfg)
    crops = clips.place_crops(frames, spatials)
    views = clips.cut_clips(frames, crops, reverse_channels=cfg.DATA.REVERSE_INPUT_CHANNEL)
    return normalizer(cfg)(views)


def load_frames(path: str | Path, select: Select, cfg: CfgNode) -> Frames:
    """The frames that ``select`` chooses from a video file, or from a folder in the order of names.

    Raises:
        VideoError: the video cannot be read.
    """
    path = portable(path)
    files = [str(path)]
    if path.is_dir():
        files = sorted(str(file) for file in path.iterdir() if file.is_file())
        if not files:
            raise VideoError(f"{path}: a folder without frames")
    return clips.read_files(files, select, read=_reader(cfg), multi_thread=True)


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
    return choose(READERS, cfg.DATA.DECODING_BACKEND, key="DATA.DECODING_BACKEND")


def _dataset(cfg: CfgNode, split: str) -> str:
    return cfg.TEST.DATASET if split == "test" else cfg.TRAIN.DATASET


def build_view(cfg: CfgNode, split: str) -> clips.Train | clips.Views:
    """Which frames and crops of a video become the clips of ``split``."""
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
            num_repeats=cfg.AUG.NUM_REPEATS if split == "train" else 1,
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
