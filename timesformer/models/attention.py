"""Space-time attention: which patches may look at each other.

A scheme is a list of steps. A step cuts the patch grid into groups, written as one einops pattern,
and lets the tokens of a group attend to one another (paper section 3, figure 2).

Tokens travel as two tensors, so no code ever counts tokens to recover T, H and W, which here count
patches:

    cls    (B, 1, D)         the classification token
    grid   (B, T, H, W, D)   one token per patch
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from timesformer.models.linear import Linear, linear, product_of

LAYER_NORM_EPS = 1e-6  # as published
TOKENS = "g n (m d) -> g m n d"  # groups of tokens as attention takes them, with m heads
SHORT = 256  # tokens whose explicit attention matrix fits into memory easily
CUDA_BATCHES = 65535  # batches, and heads, of one kernel launch


class Step(NamedTuple):
    """One attention step of a scheme."""

    prefix: str  # of its parameters; "" marks the step an image ViT already has
    groups: str  # einops pattern, grid -> (groups, tokens, D)
    parts: tuple[int, int, int] = (1, 1, 1)  # i, j, k of the pattern: cuts of T, H, W
    sees_cls: bool = True  # the class token joins every group; its outputs are averaged
    layout: str = TOKENS  # einops pattern, tokens -> (batch, heads, tokens of a group, d)


# Without the class token nothing is joined, so the grid keeps its order: its groups are only views.
# Places become heads, because they merge with these into one axis of an untransposed grid.
TIME = Step(
    "temporal_",
    "b t h w d -> (b h w) t d",
    sees_cls=False,
    layout="b t h w (m d) -> b (h w m) t d",
)
SPACE = Step("", "b t h w d -> (b t) (h w) d")
JOINT = Step("", "b t h w d -> b (t h w) d")
WIDTH = Step(
    "width_",
    "b t h w d -> (b t h) w d",
    sees_cls=False,
    layout="b t h w (m d) -> (b t h) m w d",
)
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
        self.qkv = Linear(dim, 3 * dim)
        self.proj = Linear(dim, dim)
        self.proj_drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        """Attention within groups."""
        return self.mixed(self.heads(x), layer=lambda y: self.proj_drop(self.proj(y)))

    def heads(
        self, x: Tensor, layout: str = TOKENS, queries: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values in ``layout``, as views of products in the order of x.

        Args:
            x: (groups, tokens, D), or what ``layout`` takes.
            layout: einops pattern to (batch, heads, tokens of a group, d).
            queries: only of so many first tokens; default: of all.
        """
        if layout == TOKENS and queries is None:
            products = self.qkv(x).chunk(3, dim=-1)
        else:  # each apart: places and heads merge only if no other third lies between
            thirds = zip(self.qkv.weight.chunk(3), self.qkv.bias.chunk(3), strict=True)
            inputs = x if queries is None else x[:, :queries], x, x
            products = [linear(x, *third) for x, third in zip(inputs, thirds, strict=True)]
        q, k, v = (rearrange(product, layout, m=self.num_heads) for product in products)
        return q, k, v

    def mixed(
        self,
        heads: tuple[Tensor, Tensor, Tensor],
        layout: str = TOKENS,
        *,
        layer: Callable[[Tensor], Tensor],
        lean: bool = False,
        **sizes: int,
    ) -> Tensor:
        """``layer`` of what the heads make of the values, (..., D) in the order that ``heads`` took.

        Args:
            heads: from the method of this name.
            layout: the pattern that ``heads`` had.
            layer: of (..., D).
            lean: explicit attention keeps its weights, and not what they make of the values.
            sizes: lengths of the layout's axes, as far as they do not follow from the result.
        """
        q, k, v = heads
        drop = self.attn_drop if self.training else 0.0
        source, target = layout.split(" -> ")
        join = partial(rearrange, pattern=f"{target} -> {source}", m=self.num_heads, **sizes)
        if is_explicit(q):
            weights = F.dropout(attention_weights(q, k), drop)
            return product_of(
                lambda weights, v: join(weights @ v), weights, v, layer=layer, lean=lean
            )
        return layer(join(attention(q, k, v, drop=drop)))


def attention(q: Tensor, k: Tensor, v: Tensor, *, drop: float = 0.0) -> Tensor:
    """softmax(q k^T / sqrt(d)) v by the fastest exact form, all (batch, heads, N, d)."""
    if is_explicit(q):
        return F.dropout(attention_weights(q, k), drop) @ v
    if q.is_cuda and max(q.shape[:2]) > CUDA_BATCHES:
        axis = 0 if q.shape[0] > CUDA_BATCHES else 1
        parts = zip(*(x.split(CUDA_BATCHES, dim=axis) for x in (q, k, v)), strict=True)
        return torch.cat([attention(*part, drop=drop) for part in parts], dim=axis)
    return F.scaled_dot_product_attention(q, k, v, dropout_p=drop)


def is_explicit(q: Tensor) -> bool:
    """Whether plain operations are better than PyTorch's fused attention: on a CPU only.

    For 16-bit numbers they take less than half of its time: 11 against 32 ms in time, 34 against 72
    in space, forward and backward of one clip through the base model (one Zen 4 core, torch 2.15).
    In fp32 they take 18 and 60 ms, fused attention 18 and 55; but where a row of weights is much
    shorter than what it makes, keeping the weights takes less memory. A single query is among those:
    for one, fused attention divides the keys among threads, and rounds by their number.
    """
    if q.device.type != "cpu":
        return False
    return q.shape[2] <= SHORT if q.dtype.itemsize == 2 else 2 * q.shape[2] <= q.shape[3]


def attention_weights(q: Tensor, k: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)), (batch, heads, N, d) -> (batch, heads, N, N)."""
    scale = q.shape[3] ** -0.5
    products = q @ k.mT * scale if k.shape[2] < q.shape[3] else q * scale @ k.mT
    return products.softmax(dim=-1)


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
