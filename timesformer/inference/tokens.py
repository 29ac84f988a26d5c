"""Tokens of clips to features of videos.

cls       (B * V, D)            normalised class tokens of the V views of B videos
grid      (B * V, T, h, w, D)   normalised patch tokens
features  (B, D) or (B, V_t * T, D), V_t temporal views of V_c crops: V = V_t * V_c
"""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from einops import reduce
from torch import Tensor

from timesformer.config import CfgNode
from timesformer.evaluation.scoring import Scoring
from timesformer.models.classifier import Classifier
from timesformer.tables import choose


class Kind(NamedTuple):
    """How tokens become features: what each clip keeps, then what a video keeps of its views."""

    of_clip: str | None  # einops pattern of the patch tokens; None: the class token instead
    of_video: str


TOKENS = {  # of the command line
    "cls": Kind(None, "(b v c) d -> b d"),
    "pooled": Kind("n t h w d -> n d", "(b v c) d -> b d"),
    "frames": Kind("n t h w d -> n t d", "(b v c) t d -> b (v t) d"),
}


def of_clips(kind: Kind, cls: Tensor, grid: Tensor) -> Tensor:
    """Features of each clip, (N, D) or (N, T, D) float32."""
    return (cls if kind.of_clip is None else reduce(grid.float(), kind.of_clip, "mean")).float()


def of_videos(kind: Kind, clips: Tensor, *, num_temporal: int, num_crops: int) -> Tensor:
    """Features of each video from those of its clips, averaged over views; frames over crops only."""
    return reduce(clips, kind.of_video, "mean", v=num_temporal, c=num_crops)


def build_token_scoring(cfg: CfgNode, scoring: Scoring, tokens: str) -> Scoring:
    """Features from the ``tokens`` of a video's views in place of the scores of ``scoring``."""
    kind = choose(TOKENS, tokens, key="tokens")
    views = {"num_temporal": cfg.TEST.NUM_ENSEMBLE_VIEWS, "num_crops": cfg.TEST.NUM_SPATIAL_CROPS}
    return replace(
        scoring,
        forward=partial(clip_features, kind),
        ensemble=partial(of_videos, kind, **views),
    )


def clip_features(kind: Kind, model: Classifier, clips: Tensor) -> Tensor:
    """Features of each clip, as ``of_clips``; only those that need it ask the model for its patches."""
    if kind.of_clip is None:
        return of_clips(kind, model.forward_features(clips), torch.empty(0))
    return of_clips(kind, *model.forward_tokens(clips))
