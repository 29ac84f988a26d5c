"""The weights that a configuration names, into its model."""

from pathlib import Path

from torch import nn

from timesformer.checkpoint import start
from timesformer.checkpoint.load import CheckpointError, LoadReport, load_weights, unwrap
from timesformer.checkpoint.pretrained import load_imagenet
from timesformer.config import CfgNode


def load_start(cfg: CfgNode, model: nn.Module, name: str, *, cut: bool = False) -> LoadReport:
    """Weights to train from: ``name`` is a path, ``timm/NAME``, or empty for ImageNet's.

    Args:
        cfg: the configuration.
        model: to load into.
        name: value of a key.
        cut: remove TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN from the names first.

    Raises:
        CheckpointError: it cannot be used, or needs another TIMESFORMER.NORM_EPS: the checkpoints of
            this run would not say what the model computes.
    """
    if not name:
        return load_imagenet(model)
    report = load_weights(
        model,
        start.located(name),
        cut_from_names=tuple(cfg.TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN) if cut else (),
        strict=cfg.TRAIN.CHECKPOINT_STRICT,
        time_resize=cfg.TIMESFORMER.TIME_EMBED_RESIZE,
    )
    refuse_other_epsilon(cfg, model, name)
    return report


def refuse_other_epsilon(cfg: CfgNode, model: nn.Module, name: str | Path) -> None:
    """Raise CheckpointError if weights gave the model another epsilon than the configuration's."""
    eps = unwrap(model).norm.eps
    if eps != cfg.TIMESFORMER.NORM_EPS:
        raise CheckpointError(
            f"the norms of {name} have epsilon {eps:g}, and TIMESFORMER.NORM_EPS is "
            f"{cfg.TIMESFORMER.NORM_EPS:g}; set TIMESFORMER.NORM_EPS {eps:g}"
        )
