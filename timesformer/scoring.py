"""The views of a video to one score a class: what testing and prediction share.

clips   (B * V, 3, T, S, S)  uint8, the V views of a video one after the other
scores  (B, K)               float32
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from timesformer import metrics
from timesformer.datasets import normalizer, num_test_views


class Scoring(NamedTuple):
    """How views become scores."""

    normalize: Callable[[Tensor], Tensor]
    num_views: int
    method: str  # of metrics.ensemble

    def score(self, model: nn.Module, clips: Tensor, *, device: torch.device, most: int) -> Tensor:
        """Scores on ``device``; ``most`` clips go through the model at once."""
        logits = [model(part).float() for part in self.parts(clips, device=device, most=most)]
        return metrics.ensemble(torch.cat(logits), self.num_views, self.method)

    def parts(self, clips: Tensor, *, device: torch.device, most: int) -> Iterator[Tensor]:
        """``clips`` normalised on ``device``, at most ``most`` at a time."""
        for part in clips.split(most):
            yield self.normalize(part.to(device, non_blocking=True))

    def probabilities(self, scores: Tensor, *, multi_label: bool) -> Tensor:
        """What the model believes of each class, (..., K) -> (..., K); in the order of ``scores``.

        Sums of logits become their mean first, so that more views do not make it surer.
        """
        if self.method in ("softmax", "sigmoid"):
            return scores
        logits = scores / self.num_views if self.method == "sum" else scores
        return logits.sigmoid() if multi_label else logits.softmax(dim=-1)


def build_scoring(cfg: CfgNode) -> Scoring:
    """As configured; with several labels ``softmax`` means the sigmoid of each class."""
    method = cfg.DATA.ENSEMBLE_METHOD
    if cfg.DATA.MULTI_LABEL and method == "softmax":  # the probabilities of independent classes
        method = "sigmoid"
    return Scoring(normalizer(cfg), num_test_views(cfg), method)
