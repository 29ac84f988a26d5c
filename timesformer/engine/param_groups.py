"""Parameter groups of an optimizer: learning rates by depth, weight decay by kind.

    scale of a parameter    with L = SOLVER.LAYER_DECAY, for a model of D blocks
    head                    SOLVER.HEAD_LR_RATIO
    norm                    1
    block i, from 0         L ** (D - i): the last one L, the first one L ** D
    embeddings              L ** (D + 1): patches, class token, position, time

as in BEiT (https://arxiv.org/abs/2106.08254). A group carries its factor as ``lr_scale``.
"""

from typing import Any, NamedTuple

from torch import nn

from timesformer.config import CfgNode

Group = dict[str, Any]


class _Kind(NamedTuple):
    """What the parameters of a group have in common."""

    lr_scale: float
    decays: bool


def parameter_groups(model: nn.Module, cfg: CfgNode) -> list[nn.Parameter] | list[Group]:
    """The trainable parameters of ``model`` (bare) as its optimizer takes them.

    One list in the order of the model, as published, unless a key of the module docstring or
    SOLVER.ZERO_WD_1D_PARAM says otherwise; then groups in the order of their first parameter.
    """
    solver = cfg.SOLVER
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if solver.LAYER_DECAY == solver.HEAD_LR_RATIO == 1 and not solver.ZERO_WD_1D_PARAM:
        return trainable
    scales = lr_scales(model, layer_decay=solver.LAYER_DECAY, head_ratio=solver.HEAD_LR_RATIO)
    undecayed = _undecayed(model) if solver.ZERO_WD_1D_PARAM else set()
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
    model: nn.Module, *, layer_decay: float, head_ratio: float
) -> dict[nn.Parameter, float]:
    """Factor of the learning rate of each parameter, see the module docstring."""
    depth = len(model.blocks)
    scales = dict.fromkeys(model.parameters(), layer_decay ** (depth + 1))
    for i, block in enumerate(model.blocks):
        scales |= dict.fromkeys(block.parameters(), layer_decay ** (depth - i))
    scales |= dict.fromkeys(model.norm.parameters(), 1.0)
    return scales | dict.fromkeys(model.head.parameters(), head_ratio)


def _undecayed(model: nn.Module) -> set[nn.Parameter]:
    """Norms and biases; the class token and the embeddings too, which are offsets as biases are."""
    own = model.parameters(recurse=False)  # cls_token, pos_embed, time_embed
    return {parameter for parameter in model.parameters() if parameter.ndim <= 1} | set(own)
