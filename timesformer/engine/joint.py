"""Training on two lists together, each with a classifier of its own: DATA.EXTRA_TRAIN.

Labels of the second list come after the K of the first, and logits (B, K + E) are those of both
classifiers, see ``models.extra_head``. A clip counts for the classifier of its own list alone.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from timesformer.config import CfgNode
from timesformer.datasets.joint_lists import count_classes
from timesformer.datasets.lists import VideoList
from timesformer.models import build_model
from timesformer.models.classifier import Classifier
from timesformer.models.extra_head import add_extra_head

_IGNORED = -100  # of F.cross_entropy


def build_trained_model(cfg: CfgNode, extra: VideoList | None) -> Classifier:
    """The configured model, with a second classifier for the classes of ``extra`` if there is one."""
    model = build_model(cfg)
    if extra is not None:
        add_extra_head(model, count_classes(extra))
    return model


def build_joint_loss(cfg: CfgNode) -> Callable[[Tensor, Tensor], Tensor]:
    """Cross-entropy of each clip over the classes of its own list, a mean over the batch."""
    smoothing = cfg.SOLVER.LABEL_SMOOTHING
    return partial(joint_loss, num_classes=cfg.MODEL.NUM_CLASSES, label_smoothing=smoothing)


def joint_loss(
    logits: Tensor, labels: Tensor, *, num_classes: int, label_smoothing: float = 0.0
) -> Tensor:
    """Logits (B, K + E), labels (B,) below K + E -> scalar; K is ``num_classes``.

    The sum of the losses of both tasks, as in Simonyan and Zisserman, each in proportion to its clips.
    """
    loss = partial(F.cross_entropy, reduction="sum", label_smoothing=label_smoothing)
    is_extra = labels >= num_classes
    main = loss(logits[:, :num_classes], labels.masked_fill(is_extra, _IGNORED))
    if logits.shape[1] == num_classes:  # nobody trains a second classifier
        return main / len(labels)
    own = (labels - num_classes).masked_fill(~is_extra, _IGNORED)
    return (main + loss(logits[:, num_classes:], own)) / len(labels)


def build_counted(cfg: CfgNode) -> Callable[[Tensor, Tensor], Tensor]:
    """Logits (B, ...) and labels to the logits that errors are counted of."""
    if not cfg.DATA.EXTRA_TRAIN:
        return lambda logits, labels: logits
    return partial(own_logits, num_classes=cfg.MODEL.NUM_CLASSES)


def own_logits(logits: Tensor, labels: Tensor, *, num_classes: int) -> Tensor:
    """``logits`` (B, K + E), least for the classes that are not of the list of a clip."""
    of_extra = torch.arange(logits.shape[1], device=logits.device) >= num_classes
    is_other = of_extra != (labels >= num_classes)[:, None]
    return logits.masked_fill(is_other, torch.finfo(logits.dtype).min)
