"""A linear probe: the head learns from features of the frozen backbone that are computed once.

TRAIN.FREEZE backbone with TRAIN.PROBE_CLIPS above 0. The loops of training and validation do not
change: they get batches of features (B, D) in place of clips, and the model passes these to its head.

Epoch e shows every video by its clip e modulo TRAIN.PROBE_CLIPS.
"""

import copy
import dataclasses
import logging
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from timesformer.config import CfgNode
from timesformer.datasets.augment import unchanged
from timesformer.datasets.build import build_train_batches, build_view
from timesformer.datasets.clips import ClipDataset, Sample
from timesformer.datasets.lists import VideoList
from timesformer.datasets.loader import ClipLoader
from timesformer.datasets.modality import build_normalizer
from timesformer.datasets.samplers import Key
from timesformer.evaluation.features import build_features
from timesformer.evaluation.loop import Scores
from timesformer.models.classifier import Classifier
from timesformer.models.freeze import BACKBONE
from timesformer.video import VideoError

logger = logging.getLogger(__name__)


def build_probe_choice(cfg: CfgNode) -> bool:
    """Whether training gets features that are computed once; not in trials of a few batches."""
    data = cfg.DATA
    is_trial = data.LIMIT_TRAIN_BATCHES or data.LIMIT_VAL_BATCHES or data.OVERFIT_BATCHES
    return cfg.TRAIN.PROBE_CLIPS > 0 and BACKBONE in cfg.TRAIN.FREEZE and not is_trial


def build_input_normalizer(cfg: CfgNode) -> Callable[[Tensor], Tensor]:
    """What a batch of training or validation goes through: features are not normalised again."""
    return nn.Identity() if build_probe_choice(cfg) else build_normalizer(cfg)


def build_probe_loaders(
    cfg: CfgNode,
    model: Classifier,
    train: ClipLoader,
    val: ClipLoader,
    device: torch.device,
) -> tuple[ClipLoader, ClipLoader]:
    """Loaders of features in place of ``train`` and ``val`` if this is a probe; else themselves.

    Args:
        cfg: the resolved configuration.
        model: bare, with its weights, the same on all processes.
        train: the loader of clips.
        val: the same of validation.
        device: of ``model``.

    Raises:
        VideoError: fewer videos than a batch can be read.
    """
    if not build_probe_choice(cfg):
        return train, val
    clips = build_probe_clips(cfg, train.dataset)
    features = build_features(cfg, model, clips, device, split="train")
    train_set = FeatureDataset(clips.videos, features)
    features = build_features(cfg, model, val.dataset, device, split="val")
    val_set = FeatureDataset(val.dataset.videos, features)
    for message in train_set.failures.values():
        logger.warning("video left out of training: %s", message)
    batches = build_train_batches(cfg, train_set)  # type: ignore[arg-type]
    if not len(batches):
        raise VideoError(
            f"only {len(train_set.usable)} videos of {clips.videos.origin} can be read, fewer than "
            f"one batch ({batches.batch_size * batches.world}); see the warnings above, or lower "
            "TRAIN.BATCH_SIZE"
        )
    return (
        ClipLoader(train_set, batches, num_workers=0, pin_memory=False),  # type: ignore[arg-type]
        ClipLoader(val_set, val.batch_sampler, num_workers=0, pin_memory=False),  # type: ignore[arg-type]
    )


def build_probe_clips(cfg: CfgNode, dataset: ClipDataset) -> ClipDataset:
    """``dataset`` with the clips of a probe; a broken video is left out, not replaced."""
    probed = copy.copy(dataset)
    if cfg.TRAIN.PROBE_CLIPS == 1:
        probed.view, probed.augment = build_view(cfg, "val"), unchanged
    else:
        probed.view = dataclasses.replace(dataset.view, replaces=False)
    return probed


class FeatureDataset(Dataset[Sample]):
    """Samples of a list, keyed by (epoch, index of the video), whose clips are features (1, D)."""

    multi_thread = False

    def __init__(self, videos: VideoList, clips: Sequence[Scores]) -> None:
        """``clips``: features of one clip of every video, as often as a video has clips."""
        self.videos = videos
        self.clips = clips
        self.rows = [{int(video): row for row, video in enumerate(c.indices)} for c in clips]
        self.failures = {i: text for c in clips for i, text in sorted(c.failures.items())}
        self.usable = np.setdiff1d(np.arange(len(videos.labels)), list(self.failures))

    def __len__(self) -> int:
        return len(self.videos.labels)

    def __getitem__(self, key: Key) -> Sample:
        epoch, index, *repeat = key
        clip = (epoch + sum(repeat)) % len(self.clips)
        if index in self.failures:
            nothing = torch.empty(0)
            return Sample(nothing, nothing.long(), index, (self.failures[index],))
        row, features = self.rows[clip][index], self.clips[clip]
        return Sample(features.values[row, None], features.labels[row, None], index, ())
