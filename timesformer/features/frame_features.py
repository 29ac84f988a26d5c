"""Features of frames that are spread evenly over a whole video, with the frames themselves."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from timesformer.config import changed
from timesformer.config.modality import FLOW, RGB
from timesformer.datasets import build_view, clips
from timesformer.datasets.build import build_frame_loader
from timesformer.datasets.modality import build_modality
from timesformer.datasets.views import SegmentSampling, Views
from timesformer.evaluation.loop import score_batches
from timesformer.evaluation.metrics import describe_nonfinite
from timesformer.evaluation.scoring import build_scoring
from timesformer.features.feature_set import unit
from timesformer.inference.predictor import Predictor
from timesformer.inference.tokens import build_token_scoring
from timesformer.io.terminal import printable
from timesformer.video import VideoError

ONE_VIEW = {"TEST.NUM_ENSEMBLE_VIEWS": 1, "TEST.NUM_SPATIAL_CROPS": 1}


class FrameFeatures(NamedTuple):
    """T frames of one video."""

    video: str
    vectors: np.ndarray  # (T, D) float64, of length 1
    seconds: np.ndarray  # (T,)
    images: Sequence[np.ndarray]  # T, (H, W, 3) uint8 RGB, as decoded
    duration_seconds: float


def build_frame_features(predictor: Predictor, video: str) -> FrameFeatures:
    """Of one clip, which has a frame of each of as many equal parts of the video (DATA.NUM_FRAMES).

    A model that joins frames gives fewer features; each then has the middle one of its frames.

    Raises:
        VideoError: the video cannot be read, or its features are not finite.
    """
    cfg = changed(predictor.cfg, ONE_VIEW)
    view = build_view(cfg, "test")
    assert isinstance(view, Views)
    spread = replace(view, sampling=SegmentSampling(cfg.DATA.NUM_FRAMES))
    made, _, frames = clips.cut_video(
        partial(build_frame_loader(cfg), video),
        spread,
        np.random.default_rng(cfg.RNG_SEED),
        modality=build_modality(cfg),
        reverse_channels=cfg.DATA.REVERSE_INPUT_CHANNEL,
    )
    if cfg.DATA.MODALITY == FLOW:  # pictures are of colours
        indices = frames.indices
        load = build_frame_loader(changed(cfg, {"DATA.MODALITY": RGB}))
        frames = load(video, lambda _: indices)
    none = torch.empty(0, dtype=torch.int64)
    scoring = build_scoring(cfg, predictor.device, predictor.scoring.autocast)
    scoring = build_token_scoring(cfg, scoring, "frames")
    [(_, values)] = score_batches(
        predictor.model, [clips.Batch(made, none, none, (), none)], scoring
    )
    if not values.isfinite().all():
        raise VideoError(f"{printable(video)}: {describe_nonfinite(values[0].cpu())}")
    vectors = unit(values[0].cpu().numpy().astype(np.float64))
    place, count = frames.indices[0], len(vectors)
    middles = ((np.arange(count) + 0.5) * len(place) / count).astype(int)
    return FrameFeatures(
        video,
        vectors,
        frames.timeline.seconds[place[middles]],
        [frames.images[frames.index[0][i]] for i in middles],
        frames.timeline.duration_seconds,
    )
