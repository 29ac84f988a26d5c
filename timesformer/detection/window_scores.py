"""Scores of windows from their clips, or from features of frames that windows share.

A model whose clips are made of single frames (``per_frame``) computes each frame of a video once, though
many windows show it; frames go through it in batches of the shape that a clip alone would have.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from timesformer.datasets.clips import Batch
from timesformer.detection.frames import Clip, FrameClip
from timesformer.evaluation.loop import score_batches
from timesformer.evaluation.scoring import Scoring
from timesformer.inference.forward_clips import FrameKey
from timesformer.models.classifier import Classifier

FORWARD_BATCHES = 4  # of frames that are computed together: the last one is padded


@dataclass(frozen=True)
class WindowScorer:
    """Every window computed for itself."""

    model: Classifier
    scoring: Scoring
    batch: int  # windows at once

    def restart(self) -> None:
        """The windows of a video come, or come anew."""

    def is_full(self, clips: Sequence[Clip]) -> bool:
        """Whether ``clips`` are enough to be scored."""
        return len(clips) >= self.batch

    def score(self, clips: Sequence[Clip]) -> list[np.ndarray]:
        """Scores of windows, (K,) each; the same for any clips beside them."""
        return scored(self.model, self.scoring, torch.cat([clip.frames for clip in clips]))


@dataclass
class FrameScorer:
    """Every frame computed once; of one video, whose windows of a scale come in their order."""

    model: Classifier
    scoring: Scoring
    num_crops: int
    num_frames: int
    held: dict[FrameKey, Tensor] = field(default_factory=dict)  # features (V, D)
    newest: dict[int, int] = field(default_factory=dict)  # scale -> first frame of its last window

    def restart(self) -> None:
        """As ``WindowScorer.restart``: other frames may be at the places of which features are held."""
        self.held, self.newest = {}, {}

    @property
    def together(self) -> int:
        """Clips of a forward batch where windows are computed for themselves."""
        size = self.scoring.forward_batch
        return max(size // self.num_crops, 1) * min(self.num_crops, size)

    def is_full(self, clips: Sequence[FrameClip]) -> bool:
        """Whether ``clips`` have enough frames that are not computed yet."""
        new = {key for clip in clips for key in clip.keys} - self.held.keys()
        return len(new) * self.num_crops >= FORWARD_BATCHES * self.together * self.num_frames

    def score(self, clips: Sequence[FrameClip]) -> list[np.ndarray]:
        """As ``WindowScorer.score``."""
        new = {
            key: frame
            for clip in clips
            for key, frame in zip(clip.keys, clip.frames, strict=True)
            if key not in self.held
        }
        if new:
            self.held |= dict(zip(new, self._features(list(new.values())), strict=True))
        windows = [torch.stack([self.held[key] for key in clip.keys], dim=1) for clip in clips]
        pooling = replace(self.scoring, normalize=unchanged, forward=from_frames)
        rows = scored(self.model, pooling, torch.cat(windows))
        self._forget(clips)
        return rows

    def _features(self, frames: Sequence[Tensor]) -> Tensor:
        """Features (N, V, D) of N frames (V, 3, 1, S, S)."""
        flat = torch.cat(list(frames))[:, :, 0]  # (N * V, 3, S, S)
        count, size = len(flat), self.num_frames
        padded = torch.cat([flat, flat.new_zeros(-count % size, *flat.shape[1:])])
        clips = padded.unflatten(0, (-1, size)).transpose(1, 2).contiguous()
        scoring = replace(
            self.scoring,
            forward=frame_features,
            num_views=1,
            ensemble=None,
            orders=(),
            forward_batch=self.together,
        )
        features: Tensor = scoring.score(self.model, clips).flatten(0, 1)[:count]
        return features.view(-1, self.num_crops, features.shape[-1])

    def _forget(self, clips: Sequence[FrameClip]) -> None:
        """Features that no later window needs."""
        self.newest |= {clip.scale: min(place for place, _ in clip.keys) for clip in clips}
        first = min(self.newest.values())
        self.held = {key: value for key, value in self.held.items() if key[0] >= first}


def scored(model: Classifier, scoring: Scoring, inputs: Tensor) -> list[np.ndarray]:
    """Rows of ``scoring``, one (K,) for each window."""
    none = torch.empty(0, dtype=torch.int64)
    [(_, rows)] = score_batches(model, [Batch(inputs, none, none, (), none)], scoring)
    return list(rows.float().cpu().numpy())


def frame_features(model: Classifier, clips: Tensor) -> Tensor:
    """(N, 3, T, S, S) -> (N, T, D)."""
    return model.forward_frames(clips)


def from_frames(model: Classifier, frames: Tensor) -> Tensor:
    """Logits (N, K) of features of frames (N, T, D)."""
    logits: Tensor = model(model.pool_frames(frames)).float()
    return logits


def unchanged(inputs: Tensor) -> Tensor:
    """Features need no normalisation."""
    return inputs
