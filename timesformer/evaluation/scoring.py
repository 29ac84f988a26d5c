"""The views of a video to one score a class: what testing and prediction share.

clips   (B * V, 3, T, S, S)  uint8, the V views of a video one after the other
scores  (B, K)               float32

Kernels round differently for other shapes, so all forward passes have the same one, which follows
from the configuration alone: as many whole videos as TEST.FORWARD_BATCH holds, or the views of one
video in parts of that size. A pass that has fewer videos is filled up with black clips.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from timesformer.config import CfgNode, ConfigError
from timesformer.datasets import normalizer, num_test_views
from timesformer.evaluation import metrics

GPU_CLIPS = 8  # of a pass where TEST.FORWARD_BATCH is 0; all that the published test batch holds


class Scoring(NamedTuple):
    """How views become scores."""

    normalize: Callable[[Tensor], Tensor]
    num_views: int
    method: str  # of metrics.ensemble
    device: torch.device
    clips_per_pass: int

    @property
    def videos_per_pass(self) -> int:
        """Videos that are scored together; several processes must not divide them."""
        return max(self.clips_per_pass // self.num_views, 1)

    def score(self, model: nn.Module, clips: Tensor) -> Tensor:
        """Scores on the device, of passes of ``videos_per_pass`` videos from the first one on."""
        logits = self.compute(lambda part: model(part).float(), clips)
        return torch.cat(
            [
                metrics.ensemble(of_video, self.num_views, self.method)
                for of_video in logits.split(self.num_views)
            ]
        )

    def compute(self, forward: Callable[[Tensor], Tensor], clips: Tensor) -> Tensor:
        """``forward`` of all clips, normalised and on the device, in passes of the same shape.

        Raises:
            ConfigError: a pass does not fit into memory.
        """
        full = self.videos_per_pass * self.num_views
        found = []
        for videos in clips.split(full):
            parts = _filled(videos, full).split(self.clips_per_pass)
            rows = torch.cat([self._forward(forward, part) for part in parts])
            found.append(rows[: len(videos)])
        return torch.cat(found)

    def _forward(self, forward: Callable[[Tensor], Tensor], clips: Tensor) -> Tensor:
        try:
            return forward(self.normalize(clips.to(self.device, non_blocking=True)))
        except torch.OutOfMemoryError as error:
            several = len(clips) > 1
            what = f"{len(clips)} clips at once do" if several else "1 clip does"
            remedy = "lower it" if several else "use TEST.PRECISION bf16, or another device"
            raise ConfigError(
                f"TEST.FORWARD_BATCH is {self.clips_per_pass} on this device, but {what} not fit "
                f"into its memory; {remedy} ({str(error).partition(chr(10))[0]})"
            ) from error

    def probabilities(self, scores: Tensor, *, multi_label: bool) -> Tensor:
        """What the model believes of each class, (..., K) -> (..., K); in the order of ``scores``.

        Sums of logits become their mean first, so that more views do not make it surer.
        """
        if self.method in ("softmax", "sigmoid"):
            return scores
        logits = scores / self.num_views if self.method == "sum" else scores
        return logits.sigmoid() if multi_label else logits.softmax(dim=-1)


def build_scoring(cfg: CfgNode, device: torch.device) -> Scoring:
    """As configured; with several labels ``softmax`` means the sigmoid of each class."""
    method = cfg.DATA.ENSEMBLE_METHOD
    if cfg.DATA.MULTI_LABEL and method == "softmax":  # the probabilities of independent classes
        method = "sigmoid"
    by_device = 1 if device.type == "cpu" else GPU_CLIPS
    return Scoring(
        normalizer(cfg),
        num_test_views(cfg),
        method,
        device,
        clips_per_pass=cfg.TEST.FORWARD_BATCH or by_device,
    )


def _filled(clips: Tensor, count: int) -> Tensor:
    """``count`` clips, black ones behind ``clips`` (N, ...), N <= count."""
    if len(clips) == count:
        return clips
    return torch.cat([clips, clips.new_zeros(count - len(clips), *clips.shape[1:])])
