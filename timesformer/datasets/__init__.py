"""The data that a configuration names: lists, datasets, loaders, and the views of one video."""

import dataclasses
import logging
import os
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from timesformer.config import CfgNode, portable
from timesformer.datasets import clips, index, lists, ssv2, subset, transforms
from timesformer.datasets.augment import build_augment, unchanged
from timesformer.datasets.clips import ClipDataset
from timesformer.datasets.flip_map import build_flip_map
from timesformer.datasets.folders import frame_files
from timesformer.datasets.loader import ClipLoader
from timesformer.datasets.remark_list import Remarks
from timesformer.datasets.samplers import EvalBatches, TrainBatches, class_shares
from timesformer.datasets.views import DenseSampling, SegmentSampling, Train, Views
from timesformer.runtime import collectives
from timesformer.tables import choose
from timesformer.video import READERS, Frames, FrameSelector, read_torchcodec, sampling
from timesformer.video.remote import is_url
from timesformer.video.sources import is_local_file

logger = logging.getLogger(__name__)

DATASETS = {"kinetics": lists.read_kinetics, "ssv2": ssv2.read_ssv2}
CROPS = {1: (1,), 2: (0, 1), 3: (0, 1, 2)}  # NUM_SPATIAL_CROPS -> start, centre, end


def read_list(cfg: CfgNode, split: str) -> lists.VideoList:
    """The list of ``split`` (train, val or test), parsed and checked against NUM_CLASSES.

    With DATA.OVERFIT_BATCHES, validation is on videos of the train list.

    Raises:
        ListError: see ``lists``; also if DATA.PATH_TO_DATA_DIR is empty.
    """
    if not cfg.DATA.PATH_TO_DATA_DIR:
        raise lists.ListError(
            "DATA.PATH_TO_DATA_DIR is empty; set it to the folder of train.csv, val.csv, test.csv"
        )
    return choose(DATASETS, _dataset(cfg, split), key=f"{split.upper()}.DATASET")(
        portable(cfg.DATA.PATH_TO_DATA_DIR),
        _listed(cfg, split),
        prefix=_prefix(cfg.DATA.PATH_PREFIX),
        separator=cfg.DATA.PATH_LABEL_SEPARATOR,
        num_classes=cfg.MODEL.NUM_CLASSES,
        multi_label=cfg.DATA.MULTI_LABEL,
    )


def _listed(cfg: CfgNode, split: str) -> str:
    return "train" if split == "val" and cfg.DATA.OVERFIT_BATCHES else split


def list_file(cfg: CfgNode, split: str) -> Path:
    """The file that lists the videos of ``split``; of SSv2 the frames of train, else of val."""
    listed = _listed(cfg, split)
    name = listed if _dataset(cfg, split) == "kinetics" or listed == "train" else "val"
    return portable(cfg.DATA.PATH_TO_DATA_DIR) / f"{name}.csv"


def build_dataset(cfg: CfgNode, split: str, videos: lists.VideoList | None = None) -> ClipDataset:
    """Samples of ``split``: random clips for train, the middle clip for val, views for test.

    ``videos`` are those of its list if None. Videos that the index of the list knows to be
    unreadable are not tried. All processes of a run build their data sets together.
    """
    videos = read_list(cfg, split) if videos is None else videos
    places = index.other_places(cfg.OUTPUT_DIR)
    found = collectives.gather(
        index.known_bad(videos, places)
    )  # a machine may see other file times
    bad = {i: reason for part in found for i, reason in part.items()}
    if bad:
        logger.warning("%s", index.describe_known_bad(videos, bad, split=split, places=places))
    return ClipDataset(
        videos,
        build_view(cfg, split),
        seed=cfg.RNG_SEED,
        read=_reader(cfg),
        reverse_channels=cfg.DATA.REVERSE_INPUT_CHANNEL,
        multi_thread=cfg.DATA_LOADER.ENABLE_MULTI_THREAD_DECODE or not cfg.DATA_LOADER.NUM_WORKERS,
        time_limit=cfg.DATA.DECODE_TIMEOUT,
        known_bad=bad,
        augment=build_augment(cfg) if split == "train" else unchanged,
        opposite=None if split == "test" else build_flip_map(cfg),
    )


def build_loader(
    cfg: CfgNode,
    split: str,
    videos: lists.VideoList | None = None,
    *,
    together: int = 1,
    folder: str | Path | None = None,
) -> ClipLoader:
    """Batches of this process; ``loader.batch_sampler.set_epoch`` chooses the epoch.

    Args:
        cfg: of the run.
        split: train, val or test.
        videos: those of the list of ``split`` if None.
        together: see ``EvalBatches``.
        folder: where the remarks about the videos are listed; None: nowhere.
    """
    dataset = build_dataset(cfg, split, videos)
    if split == "train":
        batches: TrainBatches | EvalBatches = train_batches(cfg, dataset)
    else:
        batches = _batches(cfg, split, dataset, together)
    pin_memory = cfg.DATA_LOADER.PIN_MEMORY and cfg.NUM_GPUS > 0 and torch.cuda.is_available()
    return ClipLoader(
        dataset,
        batches,
        num_workers=num_workers(cfg),
        pin_memory=pin_memory,
        # A forked process cannot use a GPU that its parent has used.
        start_method="spawn" if cfg.DATA.DECODING_DEVICE == "cuda" else None,
        remarks=Remarks(split, len(dataset), folder),
    )


def train_batches(cfg: CfgNode, dataset: ClipDataset) -> TrainBatches:
    """Batches of this process of an epoch of the usable videos of ``dataset``."""
    usable, num_clips = dataset.usable, cfg.TRAIN.BATCH_SIZE // collectives.local_world_size()
    if cfg.DATA.OVERFIT_BATCHES:
        usable = subset.again_and_again(overfitted(cfg, usable), cfg.DATA.OVERFIT_BATCHES)
    batches = TrainBatches(
        len(usable),
        batch_size=num_clips // cfg.AUG.NUM_REPEATS,
        rank=collectives.rank(),
        world=collectives.world_size(),
        seed=cfg.RNG_SEED,
        usable=usable,
        shares=class_shares(dataset.videos.labels[usable], cfg.TRAIN.SAMPLER),
        limit=cfg.DATA.LIMIT_TRAIN_BATCHES,
    )
    if cfg.DATA.LIMIT_TRAIN_BATCHES:
        limit = cfg.DATA.LIMIT_TRAIN_BATCHES
        logger.info("epochs are limited: DATA.LIMIT_TRAIN_BATCHES is %g", limit)
    return batches


def _batches(cfg: CfgNode, split: str, dataset: ClipDataset, together: int) -> EvalBatches:
    """Of validation or testing; a limited number of batches is of videos from the whole list."""
    section = cfg.TEST if split == "test" else cfg.TRAIN
    num_clips = num_test_views(cfg) if split == "test" else 1
    chosen = np.arange(len(dataset))
    if cfg.DATA.OVERFIT_BATCHES and split == "val":
        chosen = overfitted(cfg, dataset.usable)
    limited = ""
    if limit := cfg.DATA.LIMIT_VAL_BATCHES:
        in_batch = max(section.BATCH_SIZE * _num_machines() // num_clips, 1)
        num = subset.limited(limit * (in_batch if limit >= 1 else 1), len(chosen))
        limited = f"{num} of {len(chosen)} videos (DATA.LIMIT_VAL_BATCHES {limit:g})"
        logger.warning("%s is LIMITED to %s", {"val": "validation"}.get(split, split), limited)
        chosen = chosen[subset.drawn(num, len(chosen))]
    per_process = max(section.BATCH_SIZE // collectives.local_world_size(), 1)
    return EvalBatches(
        len(dataset),
        batch_size=max(per_process // num_clips, 1),
        rank=collectives.rank(),
        world=collectives.world_size(),
        together=together,
        chosen=chosen,
        limited=limited,
    )


def overfitted(cfg: CfgNode, usable: np.ndarray) -> np.ndarray:
    """The videos of OVERFIT_BATCHES batches, drawn from the ``usable`` indices (N,)."""
    num = cfg.DATA.OVERFIT_BATCHES * cfg.TRAIN.BATCH_SIZE * _num_machines()
    return usable[subset.drawn(num, len(usable))]


def _num_machines() -> int:
    return collectives.world_size() // collectives.local_world_size()


def load_views(path: str | Path, cfg: CfgNode) -> Tensor:
    """The test views of one video, (views, 3, T, S, S) float32, normalised.

    View = temporal view * NUM_SPATIAL_CROPS + crop. ``path`` is as in ``load_frames``.

    Raises:
        VideoError: the video cannot be read.
    """
    cut = clips.cut_video(
        lambda select: load_frames(path, select, cfg),
        build_view(cfg, "test"),
        np.random.default_rng(cfg.RNG_SEED),
        reverse_channels=cfg.DATA.REVERSE_INPUT_CHANNEL,
    )
    return normalizer(cfg)(cut.clips)


def load_frames(path: str | Path, select: FrameSelector, cfg: CfgNode) -> Frames:
    """The frames that ``select`` chooses from a video (a file, a URL or a member of a tar).

    Or from a folder of frames, which are taken in the natural order of their names.

    Raises:
        VideoError: the video cannot be read within DATA.DECODE_TIMEOUT.
    """
    limit = cfg.DATA.DECODE_TIMEOUT
    reader = partial(_reader(cfg), time_limit=limit)

    def read() -> Frames:
        files = [str(path)]
        if is_local_file(path) and (folder := portable(path)).is_dir():
            files = frame_files(folder)
        elif is_local_file(path):
            files = [str(portable(path))]
        return clips.read_files(files, select, read=reader, multi_thread=True)

    return clips.read_within(limit, read, name=str(path))


def normalizer(cfg: CfgNode) -> "partial[Tensor]":
    """uint8 clips to what the model takes; runs on whatever device the clips are on."""
    return partial(transforms.normalize, mean=tuple(cfg.DATA.MEAN), std=tuple(cfg.DATA.STD))


def num_test_views(cfg: CfgNode) -> int:
    """Clips of one video in testing."""
    return cfg.TEST.NUM_ENSEMBLE_VIEWS * cfg.TEST.NUM_SPATIAL_CROPS


def num_workers(cfg: CfgNode) -> int:
    """Loader processes of this process: as configured, but no more than its share of the cores."""
    share = max((os.cpu_count() or 1) // collectives.local_world_size(), 1)
    return min(cfg.DATA_LOADER.NUM_WORKERS, share)


def _reader(cfg: CfgNode) -> clips.ReadVideo:
    read = choose(READERS, cfg.DATA.DECODING_BACKEND, key="DATA.DECODING_BACKEND")
    read = partial(read, apply_rotation=cfg.DATA.APPLY_ROTATION)
    if read.func is read_torchcodec:
        return partial(read, device=_decoding_device(cfg))
    return read


def _decoding_device(cfg: CfgNode) -> str:
    """cpu, or the GPU of this process by number: to its loader processes, cuda is the first one."""
    return "cpu" if cfg.DATA.DECODING_DEVICE == "cpu" else f"cuda:{collectives.local_rank()}"


def _prefix(prefix: str) -> str:
    return prefix if not prefix or is_url(prefix) else str(portable(prefix))


def _dataset(cfg: CfgNode, split: str) -> str:
    return cfg.TEST.DATASET if split == "test" else cfg.TRAIN.DATASET


def build_view(cfg: CfgNode, split: str) -> Train | Views:
    """Which clips of a video ``split`` takes, and which crops of them."""
    data, is_ssv2 = cfg.DATA, _dataset(cfg, split) == "ssv2"
    sampled: DenseSampling | SegmentSampling
    if is_ssv2:
        sampled = SegmentSampling(data.NUM_FRAMES)
    else:
        shape = sampling.ClipShape(data.NUM_FRAMES, data.SAMPLING_RATE, data.TARGET_FPS)
        sampled = DenseSampling(shape)
    smallest, largest = data.TRAIN_JITTER_SCALES
    if split == "train" and data.OVERFIT_BATCHES:
        return dataclasses.replace(build_view(cfg, "val"), replaces=True)
    if split == "train" or (split == "val" and cfg.TRAIN.RANDOM_VALIDATION):
        return Train(
            sampled,
            jitter=(smallest, largest),
            crop=data.TRAIN_CROP_SIZE,
            flip=data.RANDOM_FLIP,
            inverse=data.INV_UNIFORM_SAMPLE,
            replaces=split == "train",
            num_repeats=cfg.AUG.NUM_REPEATS if split == "train" else 1,
        )
    if split == "val":
        return Views(sampled, 1, "paper", smallest, data.TRAIN_CROP_SIZE, CROPS[1])
    scaled_to_crop = is_ssv2 or cfg.TEST.NUM_SPATIAL_CROPS > 1
    return Views(
        sampled,
        num_views=cfg.TEST.NUM_ENSEMBLE_VIEWS,
        placement=cfg.TEST.VIEW_PLACEMENT,
        short_side=data.TEST_CROP_SIZE if scaled_to_crop else smallest,
        crop=data.TEST_CROP_SIZE,
        crops=CROPS[cfg.TEST.NUM_SPATIAL_CROPS],
    )
