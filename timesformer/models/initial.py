"""The values that a TimeSformer starts from."""

from typing import TYPE_CHECKING

from torch import nn

from timesformer.models.block import Block
from timesformer.models.rewrite import modules

if TYPE_CHECKING:
    from timesformer.models.timesformer import TimeSformer

INIT_STD = 0.02  # as published


def draw_weights(
    model: "TimeSformer", *, linear_std: float, pos_embed_std: float, time_embed_std: float
) -> None:
    """Draw every initial value.

    ==========================  =====================================================
    linear weights of blocks    truncated normal, ``linear_std``; published 0.02
    head, cls_token             truncated normal, 0.02
    biases; norms               0; weight 1, bias 0
    patch convolution           PyTorch's default
    pos_embed                   truncated normal, ``pos_embed_std``; published 0.02
    time_embed                  normal, ``time_embed_std``; published 0
    fc of prefixed steps        0: an untrained block is the image model's block
    ==========================  =====================================================

    The published values suit a pretrained start. From scratch, large embeddings and weights let the
    first block combine place and time at once; see configs/Motion.
    """
    if model.cls_token.is_meta:
        return  # no values to draw, and normal_ would import the compiler for it, two seconds
    for module in model.modules():
        if isinstance(module, nn.Linear):
            std = INIT_STD if module is model.head else linear_std
            nn.init.trunc_normal_(module.weight, std=std)
            nn.init.zeros_(module.bias)
    nn.init.trunc_normal_(model.cls_token, std=INIT_STD)
    nn.init.trunc_normal_(model.pos_embed, std=pos_embed_std)
    if not model.per_frame:
        nn.init.normal_(model.time_embed, std=time_embed_std)
    for block in modules(model, Block):
        for layer in block.fc_layers():
            nn.init.zeros_(layer.weight)
