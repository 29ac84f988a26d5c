"""The sizes of a model, read off the names and shapes of its weights: our names, see ``convert``."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

HEAD_WIDTH = 64  # of ViTs from tiny to large; shapes do not tell it
WIDER = (1152, 1280, 1408, 1536, 1664)  # channels of SigLIP's so400m, ViT-H, g, SigLIP's giant, G
HEADS_OF_WIDER = 16

_SCHEME_OF_STEPS = {  # prefixes of the steps that an image ViT has not
    frozenset({"temporal_"}): "divided_space_time",
    frozenset({"temporal_", "width_"}): "axial",
    frozenset({"local_"}): "sparse_local_global",
}
_AXES = {  # of the tensors that sizes are read off
    "patch_embed.proj.weight": 4,
    "pos_embed": 3,
    "time_embed": 3,
    "blocks.0.mlp.fc1.weight": 2,
    "head.weight": 2,
}


class Architecture(NamedTuple):
    """What the shapes say. ``num_heads`` is a guess, see ``usual_heads``."""

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
    if state["patch_embed.proj.weight"].ndim != 4:
        raise ValueError("its patches are not of one frame (patch_embed.proj.weight is not 4-D)")
    for name, axes in _AXES.items():
        if name in state and (state[name].ndim != axes or not state[name].numel()):
            raise ValueError(
                f"{name} has the shape {tuple(state[name].shape)}, which is none of it"
            )
    dim, _, patch, _ = state["patch_embed.proj.weight"].shape
    hidden = state["blocks.0.mlp.fc1.weight"].shape[0]
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
        num_heads=usual_heads(dim) or 1,
        mlp_ratio=_ratio(hidden, dim),
    )


def _ratio(hidden: int, dim: int) -> float:
    """The ratio of which ``int(dim * ratio)``, by which models are built, is ``hidden``."""
    ratio = hidden / dim
    return ratio if int(dim * ratio) == hidden else math.nextafter(ratio, math.inf)


def usual_heads(dim: int) -> int:
    """Heads of the known ViTs of ``dim`` channels, as timm lists them; 0 if there are none."""
    if dim in WIDER:
        return HEADS_OF_WIDER
    return 0 if dim % HEAD_WIDTH else dim // HEAD_WIDTH


def _scheme(state: Mapping[str, Tensor]) -> str:
    parts = {key.split(".")[2] for key in state if key.startswith("blocks.0.")}
    steps = frozenset(part.removesuffix("attn") for part in parts if part.endswith("_attn"))
    if not steps:
        return "joint_space_time" if "time_embed" in state else "space_only"
    if steps not in _SCHEME_OF_STEPS:
        raise ValueError(
            f"its blocks have {', '.join(sorted(parts))}, which is not a scheme known here"
        )
    return _SCHEME_OF_STEPS[steps]
