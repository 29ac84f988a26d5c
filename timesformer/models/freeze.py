"""Which parameters a training leaves as they are: TRAIN.FREEZE.

Frozen parts are in evaluation mode while the rest trains: without dropout and drop path a frozen
backbone gives the same features for the same clip every time.
"""

import logging
from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from timesformer.config import CfgNode, ConfigError

logger = logging.getLogger(__name__)

BACKBONE = "backbone"  # everything but the head


def freeze(model: nn.Module, cfg: CfgNode) -> None:
    """Take the gradients from the parameters of ``model`` (bare) that TRAIN.FREEZE names.

    Raises:
        ConfigError: see ``frozen_names``.
    """
    names = frozen_names(model, cfg.TRAIN.FREEZE)
    if not names:
        return
    for name in names:
        model.get_parameter(name).requires_grad_(False)
    left = [parameter for parameter in model.parameters() if parameter.requires_grad]
    logger.info(
        "TRAIN.FREEZE: %d parameter tensors are frozen and in evaluation mode, %d train (%d values)",
        len(names),
        len(left),
        sum(parameter.numel() for parameter in left),
    )


def frozen_names(model: nn.Module, patterns: Sequence[str]) -> set[str]:
    """Names of the parameters that ``patterns`` match (fnmatch; ``backbone`` is all but the head).

    Raises:
        ConfigError: a pattern that matches nothing, or nothing left to train.
    """
    names = [name for name, _ in model.named_parameters()]
    head = {f"head.{name}" for name, _ in model.head.named_parameters()}
    frozen: set[str] = set()
    for pattern in patterns:
        found = set(names) - head if pattern == BACKBONE else _matching(names, pattern)
        if not found:
            raise ConfigError(
                f"TRAIN.FREEZE has {pattern!r}, but no parameter is called so; use backbone, or "
                f"patterns of names as {', '.join(_examples(names))}"
            )
        frozen |= found
    if len(frozen) == len(names):
        raise ConfigError(
            f"TRAIN.FREEZE is {list(patterns)}, which freezes every parameter, so that there is "
            "nothing to train; leave the head out, as backbone does"
        )
    return frozen


def set_train_mode(model: nn.Module) -> None:
    """``model`` (bare) in training mode, its frozen parts in evaluation mode.

    A part is frozen if all its parameters are. The dropout after the embeddings, which has none, goes
    with the patch embedding.
    """
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()
    model.embed_drop.train(model.patch_embed.training)


def _matching(names: Sequence[str], pattern: str) -> set[str]:
    return {name for name in names if fnmatchcase(name, pattern)}


def _examples(names: Sequence[str]) -> list[str]:
    """A pattern for each top-level part: blocks.*, head.*."""
    return sorted({name.split(".")[0] + ".*" * ("." in name) for name in names})
