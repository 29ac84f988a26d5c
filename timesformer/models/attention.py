"""Space-time attention: which patches may look at each other.

A scheme is a list of steps. A step cuts the patch grid into groups, written as one einops pattern,
and lets the tokens of a group attend to one another (paper section 3, figure 2).

Tokens travel as two tensors, so no code ever counts tokens to recover T, H and W, which here count
patches:

    cls    (B, 1, D)         the classification token
    grid   (B, T, H, W, D)   one token per patch
"""

from typing import NamedTuple

import torch
from einops import rearrange, reduce, repeat
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

LAYER_NORM_EPS = 1e-6  # as published
TOKENS = "g n (m d) -> g m n d"  # groups of tokens as attention takes them, with m heads
SHORT = 256  # tokens whose explicit attention matrix is no burden on memory
CUDA_BATCHES = 65535  # of one kernel launch


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


class Block(nn.Module):
    """Pre-norm transformer block: the attention steps of a scheme, then an MLP.

    (cls, grid) -> (cls, grid), shapes as in the module docstring.

    The unprefixed step and the MLP carry the names of an image ViT, so its weights load unchanged.
    Every prefixed step ends in a linear layer ``fc`` that starts at zero: an untrained block is the
    image model's block. Stochastic depth draws once a group, not once a clip, and ``fc`` comes
    after it, so that its bias is added even to a dropped group: both as published.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        mlp_ratio: float,
        scheme: str,
        drop: float = 0.0,
        attn_drop: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.steps = SCHEMES[scheme]
        self.drop_path = drop_path
        self.recompute = False  # activation checkpointing
        # Registered in the order of the published parameters: optimizer states go by position.
        for step in sorted(self.steps, key=lambda step: step.prefix != ""):
            self.add_module(f"{step.prefix}norm1", nn.LayerNorm(dim, eps=LAYER_NORM_EPS))
            attention = SelfAttention(dim, num_heads, drop=drop, attn_drop=attn_drop)
            self.add_module(f"{step.prefix}attn", attention)
            if step.prefix:
                self.add_module(f"{step.prefix}fc", nn.Linear(dim, dim))
        self.norm2 = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), drop=drop)

    def forward(self, cls: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(self.run, cls, grid, use_reentrant=False)
        return self.run(cls, grid)

    def run(self, cls: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
        """The forward pass, whatever becomes of its activations."""
        for step in self.steps:
            cls, grid = self.attend(step, cls, grid)
        keep = self._kept(cls)  # one draw a clip, for all its tokens
        cls_update, grid_update = self.mlp(self.norm2(cls)), self.mlp(self.norm2(grid))
        if keep is not None:
            cls_update, grid_update = keep * cls_update, keep[..., None, None] * grid_update
        return cls + cls_update, grid + grid_update

    def attend(self, step: Step, cls: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
        """One residual attention step."""
        if not step.sees_cls:
            return cls, grid + self._grid_update(step, grid)
        tokens = split(step, grid)
        groups = grid[0, ..., 0].numel() // tokens.shape[1]  # per clip
        tokens = torch.cat([repeat(cls, "b 1 d -> (b g) 1 d", g=groups), tokens], dim=1)
        update = self._token_update(step, tokens)
        cls = cls + reduce(update[:, :1], "(b g) 1 d -> b 1 d", "mean", g=groups)
        return cls, grid + merge(step, update[:, 1:], grid.shape)

    def fc_layers(self) -> list[nn.Linear]:
        """The linear layers that close the prefixed steps."""
        return [getattr(self, f"{step.prefix}fc") for step in self.steps if step.prefix]

    def _token_update(self, step: Step, tokens: Tensor) -> Tensor:
        """Residual of ``step``, (groups, tokens, D) -> the same."""
        update = getattr(self, f"{step.prefix}attn")(getattr(self, f"{step.prefix}norm1")(tokens))
        keep = self._kept(update)
        if keep is not None:
            update = keep * update
        return getattr(self, f"{step.prefix}fc")(update) if step.prefix else update

    def _grid_update(self, step: Step, grid: Tensor) -> Tensor:
        """The same for a step without the class token, (B, T, H, W, D) -> the same, in place."""
        _, t, h, w, _ = grid.shape
        normed = getattr(self, f"{step.prefix}norm1")(grid)
        update = getattr(self, f"{step.prefix}attn")(normed, step.layout, t=t, h=h, w=w)
        groups = split(step, update[..., :1])
        keep = self._kept(groups)
        if keep is not None:
            update = merge(step, keep.expand_as(groups), grid.shape) * update
        return getattr(self, f"{step.prefix}fc")(update)

    def _kept(self, x: Tensor) -> Tensor | None:
        """Stochastic depth: 0 or 1 / (1 - rate) for each row of x, (rows, 1, 1); None: keep all."""
        if not self.training or self.drop_path == 0.0:
            return None
        rate = 1.0 - self.drop_path
        return x.new_empty(x.shape[0], 1, 1).bernoulli_(rate).div_(rate)


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

    def forward(self, x: Tensor, layout: str = TOKENS, **sizes: int) -> Tensor:
        """Attention within groups, in the order of x.

        Args:
            x: (groups, tokens, D), or what ``layout`` takes.
            layout: einops pattern to (batch, heads, tokens of a group, d).
            sizes: lengths of its axes, as far as they do not follow from x and the result.
        """
        drop = self.attn_drop if self.training else 0.0
        y = attention(*self.heads(x, layout), drop=drop)
        source, target = layout.split(" -> ")
        y = rearrange(y, f"{target} -> {source}", m=self.num_heads, **sizes)
        return self.proj_drop(self.proj(y))

    def heads(self, x: Tensor, layout: str = TOKENS) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values in ``layout``, as views of products in the order of x."""
        if layout == TOKENS:
            products = self.qkv(x).chunk(3, dim=-1)
        else:  # each apart: places and heads merge only if no other third lies between
            thirds = zip(self.qkv.weight.chunk(3), self.qkv.bias.chunk(3), strict=True)
            products = [F.linear(x, weight, bias) for weight, bias in thirds]
        q, k, v = (rearrange(product, layout, m=self.num_heads) for product in products)
        return q, k, v


def attention(q: Tensor, k: Tensor, v: Tensor, *, drop: float = 0.0) -> Tensor:
    """softmax(q k^T / sqrt(d)) v by the fastest exact form, all (batch, heads, N, d).

    PyTorch's fused attention, except for 16-bit numbers on a CPU, where three plain operations take
    less than half of its time: 11 against 32 ms in time, 34 against 72 in space, forward and
    backward of one clip through the base model (one Zen 4 core, torch 2.15). In fp32 they take 18
    and 60 ms, fused attention 18 and 55.
    """
    if q.device.type == "cpu" and q.dtype.itemsize == 2 and q.shape[2] <= SHORT:
        weights = (q * q.shape[3] ** -0.5 @ k.mT).softmax(dim=-1)
        return F.dropout(weights, drop) @ v
    if q.is_cuda and q.shape[0] > CUDA_BATCHES:
        parts = zip(*(x.split(CUDA_BATCHES) for x in (q, k, v)), strict=True)
        return torch.cat([F.scaled_dot_product_attention(*part, dropout_p=drop) for part in parts])
    return F.scaled_dot_product_attention(q, k, v, dropout_p=drop)


class Mlp(nn.Module):
    """Two-layer perceptron with GELU, (..., D) -> (..., D)."""

    def __init__(self, dim: int, hidden: int, *, drop: float = 0.0) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.fc2(self.drop(F.gelu(self.fc1(x)))))


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
