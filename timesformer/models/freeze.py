"""Which parameters a training leaves as they are: TRAIN.FREEZE.

Frozen parts are in evaluation mode while the rest trains: without dropout and drop path a frozen
backbone gives the same features for the same clip every time.
"""

import logging
from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from timesformer.config import ConfigError
from timesformer.models.classifier import Classifier, classifier_parameters

logger = logging.getLogger(__name__)

BACKBONE = "backbone"  # everything but the classifier


def freeze(model: Classifier, patterns: Sequence[str]) -> None:
    """Take the gradients from the parameters of ``model`` (bare) that ``patterns`` name.

    Raises:
        ConfigError: see ``frozen_names``.
    """
    names = frozen_names(model, patterns)
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


def frozen_names(model: Classifier, patterns: Sequence[str]) -> set[str]:
    """Names of the parameters that ``patterns`` match (fnmatch; ``backbone`` is all but the classifier).

    Raises:
        ConfigError: a pattern that matches nothing, or nothing left to train.
    """
    names = [name for name, _ in model.named_parameters()]
    classifier = set(classifier_parameters(model))
    frozen: set[str] = set()
    for pattern in patterns:
        found = set(names) - classifier if pattern == BACKBONE else _matching(names, pattern)
        if not found:
            raise ConfigError(
                f"TRAIN.FREEZE has {pattern!r}, but no parameter is called so; use backbone, or "
                f"patterns of names as {', '.join(_examples(names))}"
            )
        frozen |= found
    if len(frozen) == len(names):
        raise ConfigError(
            f"TRAIN.FREEZE is {list(patterns)}, which freezes every parameter, so that there is "
            "nothing to train; leave the classifier out, as backbone does"
        )
    return frozen


def set_train_mode(model: Classifier) -> None:
    """``model`` (bare) in training mode, its frozen parts in evaluation mode.

    A part is frozen if all its parameters are. A part without parameters, as a dropout, goes with the
    other modules of its layer group.
    """
    model.train()
    for module in model.modules():
        if _is_frozen([module]):
            module.eval()
    named = dict(model.named_modules())
    for group in model.layer_groups():
        modules = [named[name] for name in group if name in named]
        if _is_frozen(modules):
            for module in modules:
                module.eval()


def _is_frozen(modules: Sequence[nn.Module]) -> bool:
    parameters = [parameter for module in modules for parameter in module.parameters()]
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)


def _matching(names: Sequence[str], pattern: str) -> set[str]:
    return {name for name in names if fnmatchcase(name, pattern)}


def _examples(names: Sequence[str]) -> list[str]:
    """A pattern for each top-level part: blocks.*, head.*."""
    return sorted({name.split(".")[0] + ".*" * ("." in name) for name in names})
