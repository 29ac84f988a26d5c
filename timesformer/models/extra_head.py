"""A second classifier beside that of a model, for training on two lists that have classes of their own.

Multi-task learning of Simonyan and Zisserman, 2014 (https://arxiv.org/abs/1406.2199, section 5). In
training mode logits are (B, K + E): of the K classes of the model, then of E others. In evaluation mode
they are those of the model, so that tests and predictions never see the second classifier.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from timesformer.models.classifier import Classifier, fresh_linear

EXTRA = "extra"
_NAME = re.compile(rf"(?P<head>.+)\.{EXTRA}\.(weight|bias)$")


def add_extra_head(model: Classifier, num_classes: int) -> None:
    """Give the classifier of ``model`` a child ``extra``, a fresh classifier of ``num_classes``.

    Names of parameters stay as they are; those of the child are ``head.extra.weight`` and so on.
    """
    head = model.get_classifier()
    head.add_module(EXTRA, fresh_linear(model.num_features, num_classes))
    head.register_forward_hook(_beside)


def _beside(head: nn.Module, inputs: tuple[Any, ...], logits: Tensor) -> Tensor:
    """Logits (B, K + E) in training, (B, K) else."""
    if not head.training:
        return logits
    return torch.cat([logits, head.get_submodule(EXTRA)(inputs[0])], dim=1)


def split_extra_head(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """``state`` without a second classifier, and a note on what was left out, empty if there is none."""
    found = {
        name: match["head"]
        for name in state
        if (match := _NAME.match(name)) and f"{match['head']}.weight" in state
    }
    if not found:
        return dict(state), ""
    kept = {name: value for name, value in state.items() if name not in found}
    classes = max(state[name].shape[0] for name in found)
    return kept, f"its second classifier ({classes} classes of DATA.EXTRA_TRAIN) is left out"
