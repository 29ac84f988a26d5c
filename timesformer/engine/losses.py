"""Losses and the mixing of batches."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from timesformer.config import CfgNode
from timesformer.engine.joint import build_joint_loss
from timesformer.tables import choose

MIXUP_LABEL_SMOOTHING = 0.1  # published; of SOLVER.LABEL_SMOOTHING 0

Loss = Callable[[Tensor, Tensor], Tensor]  # logits (B, K), targets (B,) or (B, K) -> scalar
Mix = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # clips, labels -> clips, targets


def build_loss(cfg: CfgNode) -> Loss:
    """The configured loss, a mean over the batch; targets are labels or class probabilities.

    SOLVER.LABEL_SMOOTHING is left to mixup where that makes the targets.
    """
    if cfg.DATA.EXTRA_TRAIN:
        return build_joint_loss(cfg)
    loss = choose(LOSSES, cfg.MODEL.LOSS_FUNC, key="MODEL.LOSS_FUNC")
    if cfg.SOLVER.LABEL_SMOOTHING and not cfg.MIXUP.ENABLED:
        return partial(loss, label_smoothing=cfg.SOLVER.LABEL_SMOOTHING)
    return loss


def build_mixup(cfg: CfgNode) -> Mix:
    """Mixup and cutmix of float clips (B, 3, T, H, W) and labels (B,); the identity if not enabled.

    By timm. Different on purpose: cutmix cuts its box out of H x W through all frames; the published
    code cut T x H.
    """
    if not cfg.MIXUP.ENABLED:
        return lambda clips, labels: (clips, labels)
    from timm.data import Mixup

    mixup = Mixup(
        mixup_alpha=cfg.MIXUP.ALPHA,
        cutmix_alpha=cfg.MIXUP.CUTMIX_ALPHA,
        cutmix_minmax=cfg.MIXUP.CUTMIX_MINMAX,
        prob=cfg.MIXUP.PROB,
        switch_prob=cfg.MIXUP.SWITCH_PROB,
        mode=cfg.MIXUP.MODE,
        label_smoothing=cfg.SOLVER.LABEL_SMOOTHING or MIXUP_LABEL_SMOOTHING,
        num_classes=cfg.MODEL.NUM_CLASSES,
    )

    def mix(clips: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        images, targets = mixup(clips.flatten(1, 2), labels)  # frames as channels of one image
        return images.unflatten(1, clips.shape[1:3]), targets

    return mix


def _bce_logit(logits: Tensor, targets: Tensor) -> Tensor:
    if targets.ndim == 1:
        targets = F.one_hot(targets, logits.shape[1])
    return F.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype))


LOSSES: dict[str, Loss] = {
    "cross_entropy": torch.nn.functional.cross_entropy,
    "bce_logit": _bce_logit,
}
