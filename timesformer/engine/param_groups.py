"""Parameter groups of an optimizer: learning rates by depth, weight decay by kind.

    scale of a parameter    with L = SOLVER.LAYER_DECAY, for a model of N ``layer_groups``
    classifier              SOLVER.HEAD_LR_RATIO
    layer group i, from 0   L ** (N - 1 - i): the last one 1, the first one L ** (N - 1)

as in BEiT (https://arxiv.org/abs/2106.08254). A group carries its factor as ``lr_scale``.
"""

from typing import Any, NamedTuple

from torch import nn

from timesformer.models.classifier import Classifier, parameter_depths

Group = dict[str, Any]


class _Kind(NamedTuple):
    """What the parameters of a group have in common."""

    lr_scale: float
    decays: bool


def parameter_groups(
    model: Classifier, *, layer_decay: float, head_ratio: float, decays_all: bool
) -> list[nn.Parameter] | list[Group]:
    """The trainable parameters of ``model`` (bare) as its optimizer takes them.

    One list in the order of the model if both factors are 1 and ``decays_all``, as published; else
    groups in the order of their first parameter. Without ``decays_all`` (SOLVER.ZERO_WD_1D_PARAM)
    norms, biases and the names of ``model.no_weight_decay`` have no weight decay.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if layer_decay == head_ratio == 1 and decays_all:
        return trainable
    scales = lr_scales(model, layer_decay=layer_decay, head_ratio=head_ratio)
    undecayed = set() if decays_all else _undecayed(model)
    members: dict[_Kind, list[nn.Parameter]] = {}
    for parameter in trainable:
        kind = _Kind(scales[parameter], parameter not in undecayed)
        members.setdefault(kind, []).append(parameter)
    return [
        {"params": parameters, "lr_scale": kind.lr_scale}
        | ({} if kind.decays else {"weight_decay": 0.0})
        for kind, parameters in members.items()
    ]


def lr_scales(
    model: Classifier, *, layer_decay: float, head_ratio: float
) -> dict[nn.Parameter, float]:
    """Factor of the learning rate of each parameter, see the module docstring."""
    depths, last = parameter_depths(model), len(model.layer_groups()) - 1
    return {
        parameter: layer_decay ** (last - depths[name]) if name in depths else head_ratio
        for name, parameter in model.named_parameters()
    }


def _undecayed(model: Classifier) -> set[nn.Parameter]:
    """Norms and biases, and what the model names; all are offsets."""
    offsets = {model.get_parameter(name) for name in model.no_weight_decay()}
    return offsets | {parameter for parameter in model.parameters() if parameter.ndim <= 1}
