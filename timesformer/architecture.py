"""The sizes of a model, read off the names and shapes of its weights: our names, see ``convert``."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

HEAD_WIDTH = 64  # of every ViT from tiny to giant; shapes do not tell it

_SCHEME_OF_STEPS = {  # prefixes of the steps that an image ViT has not
    frozenset({"temporal_"}): "divided_space_time",
    frozenset({"temporal_", "width_"}): "axial",
    frozenset({"local_"}): "sparse_local_global",
}


class Architecture(NamedTuple):
    """What the shapes say. ``num_heads`` is a guess, 64 channels a head."""

    attention_type: str
    img_size: int
    patch_size: int
    num_frames: int | None  # None: no time embedding
    num_classes: int | None  # None: no classifier
    embed_dim: int
    depth: int
    num_heads: int
    mlp_ratio: float


def infer(state: Mapping[str, Tensor]) -> Architecture:
    """The architecture of a state dict; an image ViT is a space-only model.

    Raises:
        ValueError: these are no weights of a vision transformer with a class token.
    """
    needed = ("cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.0.mlp.fc1.weight")
    if absent := [name for name in needed if name not in state]:
        raise ValueError(f"it has no {', '.join(absent)}, but {', '.join(sorted(state)[:4])}")
    dim, _, patch, _ = state["patch_embed.proj.weight"].shape
    side = math.isqrt(state["pos_embed"].shape[1] - 1)
    time, head = state.get("time_embed"), state.get("head.weight")
    return Architecture(
        attention_type=_scheme(state),
        img_size=side * patch,
        patch_size=patch,
        num_frames=None if time is None else time.shape[1],
        num_classes=None if head is None else head.shape[0],
        embed_dim=dim,
        depth=len({key.split(".")[1] for key in state if key.startswith("blocks.")}),
        num_heads=max(dim // HEAD_WIDTH, 1),
        mlp_ratio=state["blocks.0.mlp.fc1.weight"].shape[0] / dim,
    )


def _scheme(state: Mapping[str, Tensor]) -> str:
    parts = {key.split(".")[2] for key in state if key.startswith("blocks.0.")}
    steps = frozenset(part.removesuffix("attn") for part in parts if part.endswith("_attn"))
    if not steps:
        return "joint_space_time" if "time_embed" in state else "space_only"
    if steps not in _SCHEME_OF_STEPS:
        raise ValueError(
            f"its blocks have {', '.join(sorted(parts))}, which is no scheme known here"
        )
    return _SCHEME_OF_STEPS[steps]
