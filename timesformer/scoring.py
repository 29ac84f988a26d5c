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
        """Scores on ``device``, the same to the bit whichever videos are scored together.

        Kernels round differently for other shapes, and on a CPU for other numbers of threads too
        where a matrix has few rows. So the shapes are always the same: the views of one video at
        once on a GPU, at most ``most``; a single one on a CPU, which it keeps busy.
        """
        most = 1 if device.type == "cpu" else most
        return torch.cat(
            [self._score_one(model, views, device, most) for views in clips.split(self.num_views)]
        )

    def _score_one(
        self, model: nn.Module, views: Tensor, device: torch.device, most: int
    ) -> Tensor:
        """(1, K) of the views of one video."""
        logits = [model(part).float() for part in self.parts(views, device=device, most=most)]
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
