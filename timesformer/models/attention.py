"""Space-time attention: which patches may look at each other.

A scheme is a list of steps. A step cuts the patch grid into groups, written as one einops pattern,
and lets the tokens of a group attend to one another (paper section 3, figure 2).

Tokens travel as two tensors, so no code counts tokens to recover T, H and W, which here count patches:

    cls    (B, 1, D)         the classification token
    grid   (B, T, H, W, D)   one token per patch
"""

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

LAYER_NORM_EPS = 1e-6  # as published
CUDA_BATCHES = 65535  # batches, and heads, of one kernel launch


class Step(NamedTuple):
    """One attention step of a scheme."""

    prefix: str  # of its parameters; "" marks the step an image ViT already has
    groups: str  # einops pattern, grid -> (groups, tokens, D)
    parts: tuple[int, int, int] = (1, 1, 1)  # i, j, k of the pattern: cuts of T, H, W
    sees_cls: bool = True  # the class token joins every group; its outputs are averaged


TIME = Step("temporal_", "b t h w d -> (b h w) t d", sees_cls=False)
SPACE = Step("", "b t h w d -> (b t) (h w) d")
JOINT = Step("", "b t h w d -> b (t h w) d")
WIDTH = Step("width_", "b t h w d -> (b t h) w d", sees_cls=False)
HEIGHT = Step("", "b t h w d -> (b t w) h d")
LOCAL = Step("local_", "b t (j h) (k w) d -> (b j k) (t h w) d", parts=(1, 2, 2))
GLOBAL = Step("", "b (t i) (h j) (w k) d -> (b i j k) (t h w) d", parts=(2, 2, 2))

# The paper describes the last two without code. Here "local" means the quarters of the frame over
# all of time, "global" every second patch along each axis; the class token joins a scheme's steps
# where it costs nothing extra. In axial attention it joins the height step, the image ViT's own.
SCHEMES = {
    "space_only": (SPACE,),
    "joint_space_time": (JOINT,),
    "divided_space_time": (TIME, SPACE),
    "axial": (TIME, WIDTH, HEIGHT),
    "sparse_local_global": (LOCAL, GLOBAL),
}


class SelfAttention(nn.Module):
    """Multi-head self-attention, (B, N, D) -> (B, N, D)."""

    def __init__(
        self, dim: int, num_heads: int, *, drop: float = 0.0, attn_drop: float = 0.0
    ) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"embed_dim is {dim}, but num_heads ({num_heads}) must divide it")
        self.num_heads = num_heads
        self.attn_drop = attn_drop
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.proj_drop(self.proj(self.mixed(x)))
        return y

    def mixed(self, x: Tensor) -> Tensor:
        """The values as the heads mix them, before the projection, (B, N, D)."""
        q, k, v = self.heads(x)
        y = attention(q, k, v, drop=self.attn_drop if self.training else 0.0)
        return self.join(y, x.shape)

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (B, heads, N, d)."""
        qkv = self.qkv(x)  # (B, N, 3 * D)
        q, k, v = rearrange(qkv, "b n (three m d) -> three b m n d", three=3, m=self.num_heads)
        return q, k, v

    def join(self, y: Tensor, shape: torch.Size) -> Tensor:
        """Heads side by side, (B, heads, N, d) -> (B, N, D), which is ``shape``."""
        return rearrange(y, "b m n d -> b n (m d)")


def attention(q: Tensor, k: Tensor, v: Tensor, *, drop: float = 0.0) -> Tensor:
    """softmax(q k^T / sqrt(d)) v, all (B, heads, N, d)."""
    if q.is_cuda and max(q.shape[:2]) > CUDA_BATCHES:
        axis = 0 if q.shape[0] > CUDA_BATCHES else 1
        parts = zip(*(x.split(CUDA_BATCHES, dim=axis) for x in (q, k, v)), strict=True)
        return torch.cat([attention(*part, drop=drop) for part in parts], dim=axis)
    return F.scaled_dot_product_attention(q, k, v, dropout_p=drop)


def split(step: Step, grid: Tensor) -> Tensor:
    """(B, T, H, W, D) -> (groups, tokens, D).

    Raises:
        ValueError: the step cuts an axis into parts that do not divide it.
    """
    return rearrange(grid, step.groups, **axes(step, grid.shape))


def merge(step: Step, tokens: Tensor, shape: torch.Size) -> Tensor:
    """(groups, tokens, D) -> (B, T, H, W, D): the inverse of ``split``."""
    source, target = step.groups.split(" -> ")
    return rearrange(tokens, f"{target} -> {source}", **axes(step, shape))


def axes(step: Step, shape: torch.Size) -> dict[str, int]:
    """Length of every axis that ``step.groups`` names, except B and D."""
    _, t, h, w, _ = shape
    i, j, k = step.parts
    if t % i or h % j or w % k:
        raise ValueError(
            f"a grid of {t} x {h} x {w} patches (T, H, W) cannot be cut into {i} x {j} x {k} parts;"
            " this attention scheme needs even numbers"
        )
    sizes = {"t": t // i, "h": h // j, "w": w // k, "i": i, "j": j, "k": k}
    return {name: size for name, size in sizes.items() if name in step.groups}
