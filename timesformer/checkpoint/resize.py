"""Foreign state dicts to ours: pure functions from names and tensors to names and tensors.

Ours are the published names without their ``model.`` prefix (official_behaviour 4.2): ``cls_token``,
``pos_embed`` (1, 1 + N, D), ``time_embed`` (1, T, D), ``blocks.i...``, ``norm``, ``head``.
"""

import math
from collections.abc import Iterable, Mapping

from torch import Tensor
from torch.nn import functional as F


def inflate(state: Mapping[str, Tensor], wanted: Iterable[str]) -> dict[str, Tensor]:
    """Weights for the steps an image ViT lacks: copies of its own norm and attention.

    ``blocks.i.temporal_attn.x`` becomes ``blocks.i.attn.x``, as published (models/helpers.py). Steps
    of which the file has anything are left alone.
    """
    added = {}
    for key in wanted:
        if key in state or not key.startswith("blocks."):
            continue
        _, index, rest = key.split(".", 2)
        name = rest.split(".", 1)[0]
        for own in ("attn", "norm1"):
            prefix = name.removesuffix(f"_{own}")
            source = f"blocks.{index}.{own}{rest.removeprefix(name)}"
            if prefix not in (name, "") and source in state and not _has_step(state, prefix):
                added[key] = state[source]
    return added


def resize_position(embed: Tensor, num_tokens: int) -> Tensor:
    """Position embedding (1, 1 + h * h, D) for a square grid of ``num_tokens`` - 1 patches.

    Bicubic with antialiasing in 2-D, the class token's unchanged. Different on purpose: the
    published code resized the flattened rows in 1-D, which scrambles the grid.

    Raises:
        ValueError: either grid is not square.
    """
    from timm.layers import resample_abs_pos_embed

    side, new = math.isqrt(embed.shape[1] - 1), math.isqrt(num_tokens - 1)
    if side**2 != embed.shape[1] - 1 or new**2 != num_tokens - 1:
        raise ValueError(f"pos_embed has {embed.shape[1] - 1} patches, which is not a square grid")
    resized: Tensor = resample_abs_pos_embed(embed, [new, new])
    return resized


def resize_time(embed: Tensor, num_frames: int, *, mode: str = "nearest") -> Tensor:
    """Time embedding (1, T, D) for ``num_frames``: ``nearest`` as published, or ``linear``."""
    resized = F.interpolate(embed.mT.float(), size=num_frames, mode=mode)
    return resized.mT.contiguous().to(embed.dtype)


def resize_patch(weight: Tensor, patch_size: int) -> Tensor:
    """Patch convolution (D, 3, P, P) for another patch size, as timm does it (FlexiViT's)."""
    from timm.layers import resample_patch_embed

    return resample_patch_embed(weight.float(), [patch_size, patch_size]).to(weight.dtype)


def _has_step(state: Mapping[str, Tensor], prefix: str) -> bool:
    return any(f".{prefix}_" in key for key in state)
