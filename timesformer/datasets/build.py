"""What a configuration asks of the data: data sets, loaders, and the views of one video."""

import dataclasses
import logging
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from timesformer.config import CfgNode, portable
from timesformer.datasets import clips, joint_lists, scan_index
from timesformer.datasets.augment import build_augment, unchanged
from timesformer.datasets.clips import ClipDataset
from timesformer.datasets.flip_map import build_flip_map
from timesformer.datasets.list_source import build_dataset_name
from timesformer.datasets.lists import VideoList
from timesformer.datasets.loader import ClipLoader
from timesformer.datasets.modality import OF_RGB, Modality, build_modality, build_normalizer
from timesformer.datasets.remark_list import Remarks
from timesformer.datasets.samplers import (
    EvalBatches,
    TrainBatches,
    class_shares,
    drawn,
    limited,
    repeated,
)
from timesformer.datasets.views import DenseSampling, SegmentSampling, Train, Views
from timesformer.runtime import collectives
from timesformer.tables import choose
from timesformer.video import READERS, Frames, FrameSelector, read_torchcodec, sampling
from timesformer.video.sources import is_local_file

logger = logging.getLogger(__name__)

CROPS = {1: (1,), 2: (0, 1), 3: (0, 1, 2)}  # NUM_SPATIAL_CROPS -> start, centre, end


def build_dataset(
    cfg: CfgNode, split: str, videos: VideoList | None = None, view: Train | Views | None = None
) -> ClipDataset:
    """Samples of ``split``: random clips for train, the middle clip for val, views for test.

    ``videos`` are those of its list if None, ``view`` is that of ``build_view``. Videos that the index of
    the list knows to be unreadable are not tried. All processes of a run build their data sets together.
    """
    lists = joint_lists.read_lists(cfg, split) if videos is None else {split: videos}
    videos = joint_lists.join(lists.values(), cfg.MODEL.NUM_CLASSES)
    opposite = None if split == "test" else build_flip_map(cfg)
    return ClipDataset(
        videos,
        view or build_view(cfg, split),
        seed=cfg.RNG_SEED,
        read=build_reader(cfg),
        modality=build_modality(cfg),
        reverse_channels=cfg.DATA.REVERSE_INPUT_CHANNEL,
        multi_thread=cfg.DATA_LOADER.ENABLE_MULTI_THREAD_DECODE or not cfg.DATA_LOADER.NUM_WORKERS,
        time_limit=cfg.DATA.DECODE_TIMEOUT,
        known_bad=build_known_bad(cfg, lists),
        augment=build_augment(cfg) if split == "train" else unchanged,
        opposite=joint_lists.joined_flip_map(opposite, videos),
    )


def build_known_bad(cfg: CfgNode, lists: Mapping[str, VideoList]) -> dict[int, str]:
    """Why videos cannot be read, as the indices of ``lists`` know, by their index in the joined list."""
    folders = scan_index.other_places(cfg.OUTPUT_DIR)
    bad: dict[int, str] = {}
    for split, videos, start in joint_lists.places(lists):
        # A machine may see other file times, so one may know of videos that another does not.
        found = collectives.gather(scan_index.known_bad(videos, folders))
        own = {i: reason for part in found for i, reason in part.items()}
        if own:
            line = scan_index.describe_known_bad(videos, own, split=split, places=folders)
            logger.warning("%s", line)
        bad |= {start + i: reason for i, reason in own.items()}
    return bad


def build_loader(
    cfg: CfgNode,
    split: str,
    videos: VideoList | None = None,
    *,
    view: Train | Views | None = None,
    together: int = 1,
    folder: str | Path | None = None,
) -> ClipLoader:
    """Batches of this process; ``loader.batch_sampler.set_epoch`` chooses the epoch.

    Args:
        cfg: of the run.
        split: train, val or test.
        videos: those of the list of ``split`` if None.
        view: that of ``build_view`` if None.
        together: see ``EvalBatches``.
        folder: where the remarks about the videos are listed; None: nowhere.
    """
    dataset = build_dataset(cfg, split, videos, view)
    listed = cfg.TEST.SPLIT if split == "test" else split
    if split == "train":
        batches: TrainBatches | EvalBatches = build_train_batches(cfg, dataset)
    else:
        batches = build_eval_batches(cfg, split, dataset, together=together)
    return ClipLoader(
        dataset,
        batches,
        num_workers=build_worker_count(cfg),
        pin_memory=cfg.DATA_LOADER.PIN_MEMORY and cfg.NUM_GPUS > 0 and torch.cuda.is_available(),
        # A forked process cannot use a GPU that its parent has used.
        start_method="spawn" if cfg.DATA.DECODING_DEVICE == "cuda" else None,
        remarks=Remarks(listed, len(dataset), folder),
    )


def build_train_batches(cfg: CfgNode, dataset: ClipDataset) -> TrainBatches:
    """Batches of this process of an epoch of the usable videos of ``dataset``."""
    usable, limit = dataset.usable, cfg.DATA.LIMIT_TRAIN_BATCHES
    if cfg.DATA.OVERFIT_BATCHES:
        chosen = usable[build_overfit_choice(cfg, len(usable))]
        usable = repeated(chosen, cfg.DATA.OVERFIT_BATCHES)
    if limit:
        logger.info("epochs are limited: DATA.LIMIT_TRAIN_BATCHES is %g", limit)
    return TrainBatches(
        len(usable),
        batch_size=cfg.TRAIN.BATCH_SIZE // collectives.local_world_size() // cfg.AUG.NUM_REPEATS,
        rank=collectives.rank(),
        world=collectives.world_size(),
        seed=cfg.RNG_SEED,
        usable=usable,
        shares=class_shares(dataset.videos.labels[usable], cfg.TRAIN.SAMPLER),
        limit=limit,
    )


def build_eval_batches(
    cfg: CfgNode, split: str, dataset: ClipDataset, *, together: int
) -> EvalBatches:
    """Of validation or testing; a limited number of batches is of videos from the whole list."""
    section = cfg.TEST if split == "test" else cfg.TRAIN
    num_clips = dataset.view.num_clips if split == "test" else 1
    chosen = np.arange(len(dataset))
    if cfg.DATA.OVERFIT_BATCHES and split == "val":
        chosen = dataset.usable[build_overfit_choice(cfg, len(dataset.usable))]
    part = ""
    if limit := cfg.DATA.LIMIT_VAL_BATCHES:
        in_batch = max(section.BATCH_SIZE * collectives.num_machines() // num_clips, 1)
        num = limited(limit * (in_batch if limit >= 1 else 1), len(chosen))
        part = f"{num} of {len(chosen)} videos (DATA.LIMIT_VAL_BATCHES {limit:g})"
        logger.warning("%s is LIMITED to %s", {"val": "validation"}.get(split, split), part)
        chosen = chosen[drawn(num, len(chosen))]
    per_process = max(section.BATCH_SIZE // collectives.local_world_size(), 1)
    return EvalBatches(
        len(dataset),
        batch_size=max(per_process // num_clips, 1),
        rank=collectives.rank(),
        world=collectives.world_size(),
        together=together,
        chosen=chosen,
        limited=part,
    )


def build_overfit_choice(cfg: CfgNode, num_usable: int) -> np.ndarray:
    """Which of the usable videos the OVERFIT_BATCHES batches show, sorted places (N,)."""
    return drawn(
        cfg.DATA.OVERFIT_BATCHES * cfg.TRAIN.BATCH_SIZE * collectives.num_machines(), num_usable
    )


def build_worker_count(cfg: CfgNode) -> int:
    """Loader processes of this process: as configured, but no more than its share of the cores."""
    share = max((os.cpu_count() or 1) // collectives.local_world_size(), 1)
    return int(min(cfg.DATA_LOADER.NUM_WORKERS, share))


def load_views(path: str | Path, cfg: CfgNode) -> Tensor:
    """The test views of one video, (views, 3, T, S, S) float32, normalised.

    View = temporal view * NUM_SPATIAL_CROPS + crop. ``path`` is as in ``load_frames``.

    Raises:
        VideoError: the video cannot be read.
    """
    cut = build_test_cutter(cfg)(partial(build_frame_loader(cfg), path))
    return build_normalizer(cfg)(cut.clips)


def load_frames(
    path: str | Path,
    select: FrameSelector,
    *,
    read: clips.ReadVideo,
    time_limit: float,
    modality: Modality = OF_RGB,
) -> Frames:
    """The frames that ``select`` chooses from a video (a file, a URL or a member of a tar).

    Or from a folder of frames, which are taken in the natural order of their names.

    Raises:
        VideoError: the video cannot be read within ``time_limit`` seconds.
    """
    source = str(portable(path)) if is_local_file(path) else str(path)
    frames = partial(clips.read_source, source, read=read, multi_thread=True, time_limit=time_limit)
    chosen = partial(modality.reader(frames, source), select)
    return clips.read_with_timeout(time_limit, chosen, name=str(path))


def build_frame_loader(cfg: CfgNode) -> Callable[[str | Path, FrameSelector], Frames]:
    """``load_frames`` by the decoder of the configuration, within DATA.DECODE_TIMEOUT."""
    return partial(
        load_frames,
        read=build_reader(cfg),
        time_limit=cfg.DATA.DECODE_TIMEOUT,
        modality=build_modality(cfg),
    )


def build_test_cutter(cfg: CfgNode) -> Callable[[clips.ReadFrames], clips.CutVideo]:
    """From a function that reads the frames of a selector to the test views of that video."""
    return partial(
        clips.cut_video,
        view=build_view(cfg, "test"),
        rng=np.random.default_rng(cfg.RNG_SEED),
        modality=build_modality(cfg),
        reverse_channels=cfg.DATA.REVERSE_INPUT_CHANNEL,
    )


def build_reader(cfg: CfgNode) -> clips.ReadVideo:
    """The reader of video files of DATA.DECODING_BACKEND.

    Torchcodec gets the GPU of this process by number: to its loader processes, cuda is the first one.
    """
    read = choose(READERS, cfg.DATA.DECODING_BACKEND, key="DATA.DECODING_BACKEND")
    options = {"apply_rotation": cfg.DATA.APPLY_ROTATION}
    if read is read_torchcodec:
        on_gpu = cfg.DATA.DECODING_DEVICE != "cpu"
        options["device"] = f"cuda:{collectives.local_rank()}" if on_gpu else "cpu"
    return partial(read, **options)


def build_sampling(cfg: CfgNode, dataset: str) -> DenseSampling | SegmentSampling:
    """How clips are placed in a video of a ``dataset`` (kinetics or ssv2)."""
    data = cfg.DATA
    if dataset == "ssv2":
        return SegmentSampling(data.NUM_FRAMES)
    shape = sampling.ClipShape(data.NUM_FRAMES, data.SAMPLING_RATE, data.TARGET_FPS)
    return DenseSampling(shape)


def build_view(cfg: CfgNode, split: str) -> Train | Views:
    """Which clips of a video ``split`` takes, and which crops of them."""
    data, dataset = cfg.DATA, build_dataset_name(cfg, split)
    sampled = build_sampling(cfg, dataset)
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
    scaled_to_crop = dataset == "ssv2" or cfg.TEST.NUM_SPATIAL_CROPS > 1
    return Views(
        sampled,
        num_views=cfg.TEST.NUM_ENSEMBLE_VIEWS,
        placement=cfg.TEST.VIEW_PLACEMENT,
        short_side=data.TEST_CROP_SIZE if scaled_to_crop else smallest,
        crop=data.TEST_CROP_SIZE,
        crops=CROPS[cfg.TEST.NUM_SPATIAL_CROPS],
    )
