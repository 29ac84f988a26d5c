"""Exact speed-ups: rewrites of a TimeSformer that change its results by rounding only.

A rewrite changes a model in place, by giving its modules classes that compute the same in another way,
and returns it. Names of parameters stay, and other models are left alone. ``rewrite.plain`` undoes all.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from einops import rearrange, reduce
from torch import Tensor, nn
from torch.nn import functional as F

from timesformer.models.attention import (
    TIME,
    WIDTH,
    SelfAttention,
    Step,
    attention,
    merge,
    split,
)
from timesformer.models.block import Block, add, join_cls
from timesformer.models.linear import linear, without_autocast
from timesformer.models.recompute import recompute_cheap, recomputed
from timesformer.models.rewrite import become, modules, rewrite
from timesformer.models.timesformer import PatchEmbed, TimeSformer

Rewrite = Callable[[nn.Module], nn.Module]
M = TypeVar("M", bound=nn.Module)

SHORT = 256  # tokens whose explicit attention matrix fits into memory easily
GROUPS = "g n (m d) -> g m n d"  # groups of tokens as attention takes them, with m heads
# Without the class token nothing is joined, so the grid keeps its order: its groups are only views.
# Places become heads, because they merge with these into one axis of an untransposed grid.
GRID_LAYOUTS = {
    TIME: "b t h w (m d) -> b (h w m) t d",
    WIDTH: "b t h w (m d) -> (b t h) m w d",
}


def patches_by_product(model: nn.Module) -> nn.Module:
    """Patches are projected by a matrix product: its result lies in order, a convolution's does not."""
    return rewrite(model, PatchEmbed, PatchProduct)


def onednn(model: nn.Module) -> nn.Module:
    """OneDNN multiplies in the linear layers of the blocks, see ``linear``; on a CPU only."""
    for block in modules(model, Block):
        rewrite(block, nn.Linear, OneDNNLinear)
    return model


def short_attention(model: nn.Module) -> nn.Module:
    """Plain operations instead of fused attention where they are faster, see ``is_short``."""
    return rewrite(model, SelfAttention, ShortAttention)


def untransposed(model: nn.Module) -> nn.Module:
    """Steps without the class token attend in the grid as it lies, without a transposed copy."""
    for block in modules(model, Block):
        for step in block.steps:
            if step in GRID_LAYOUTS:
                attn = block.get_submodule(f"{step.prefix}attn")
                attn.layout = GRID_LAYOUTS[step]  # type: ignore[assignment]
                become(attn, GridAttention)
    return rewrite(model, Block, UntransposedBlock)


def one_matrix(model: nn.Module) -> nn.Module:
    """The projection of a prefixed step and its ``fc`` are one product with the product of both."""
    return rewrite(model, Block, OneMatrixBlock)


def class_token_only(model: nn.Module) -> nn.Module:
    """The last block computes for the class token alone, unless patch tokens are asked for."""
    for found in modules(model, TimeSformer):
        become(found, ClassTokenModel)
        become(found.blocks[-1], ClassTokenBlock)
    return model


SPEEDUPS: dict[str, Rewrite] = {
    "patches_by_product": patches_by_product,
    "onednn": onednn,
    "short_attention": short_attention,
    "untransposed": untransposed,
    "one_matrix": one_matrix,
    "class_token_only": class_token_only,
    "recompute_cheap": recompute_cheap,
}


def speed_up(model: M, *, without: Iterable[str] = ()) -> M:
    """``model`` with all rewrites but those named; a rewrite that is there already changes nothing."""
    for name in [name for name in SPEEDUPS if name not in set(without)]:
        SPEEDUPS[name](model)
    return model


class PatchProduct(PatchEmbed):
    """``PatchEmbed`` by one matrix product."""

    def project(self, clip: Tensor) -> Tensor:
        size = self.proj.kernel_size[0]
        h, w = (length // size for length in clip.shape[3:])
        whole = clip[..., : h * size, : w * size]
        patches = rearrange(whole, "b c t (h p) (w q) -> b t h w (c p q)", p=size, q=size)
        return linear(patches, self.proj.weight.flatten(1), self.proj.bias)


class OneDNNLinear(nn.Linear):
    """``nn.Linear`` through ``linear``."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


class ShortAttention(SelfAttention):
    """Attention by its definition, where that is faster; its weights are kept, its result is not."""

    def mixed(self, x: Tensor) -> Tensor:
        q, k, v = self.heads(x)
        return mix_short(self, q, k, v, x.shape)


def mix_short(attn: SelfAttention, q: Tensor, k: Tensor, v: Tensor, shape: torch.Size) -> Tensor:
    """What ``mixed`` makes of queries, keys and values of an input of ``shape``."""
    drop = attn.attn_drop if attn.training else 0.0
    if not is_short(q):
        return attn.join(attention(q, k, v, drop=drop), shape)
    weights = F.dropout(attention_weights(q, k), drop)
    return recomputed(lambda weights, v: attn.join(weights @ v, shape), weights, v)


def is_short(q: Tensor) -> bool:
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
    weights: Tensor = products.softmax(dim=-1)
    return weights


def thirds(attn: SelfAttention, inputs: tuple[Tensor, Tensor, Tensor]) -> Iterator[Tensor]:
    """Queries, keys and values of one input each, as products of their own, (..., D)."""
    weights, biases = attn.qkv.weight.chunk(3), attn.qkv.bias.chunk(3)
    return map(linear, inputs, weights, biases)


def first_query(attn: SelfAttention, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The query of the first token, all keys and all values, each (groups, heads, tokens, d)."""
    q, k, v = (rearrange(each, GROUPS, m=attn.num_heads) for each in thirds(attn, (x[:, :1], x, x)))
    return q, k, v


class GridAttention(SelfAttention):
    """Attention in an untransposed grid, (B, T, H, W, D) -> the same."""

    layout: str

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values as views of products in the order of x."""
        # Places and heads merge only if no other third lies between them: three products.
        products = thirds(self, (x, x, x))
        q, k, v = (rearrange(product, self.layout, m=self.num_heads) for product in products)
        return q, k, v

    def join(self, y: Tensor, shape: torch.Size) -> Tensor:
        source, target = self.layout.split(" -> ")
        sizes = dict(zip("thw", shape[1:4], strict=True))
        return rearrange(y, f"{target} -> {source}", m=self.num_heads, **sizes)


class UntransposedBlock(Block):
    """A block whose steps without the class token take the grid as it lies."""

    def attend(self, step: Step, cls: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
        if step not in GRID_LAYOUTS:
            return super().attend(step, cls, grid)
        groups = split(step, grid[..., :1])
        kept = self.kept(groups)
        if kept is not None:  # drawn in the order of the pattern: a seed gives the same masks
            kept = merge(step, kept.expand_as(groups), grid.shape)
        return cls, grid + self.update(step, grid, kept)


class OneMatrixBlock(Block):
    """A block whose prefixed steps end in one product instead of two."""

    def update(self, step: Step, tokens: Tensor, kept: Tensor | None) -> Tensor:
        norm, attn, fc = self.parts(step)
        drops = self.training and attn.proj_drop.p > 0  # between both layers
        if not isinstance(fc, nn.Linear) or drops or tokens.numel() <= tokens.shape[-1] ** 2:
            return super().update(step, tokens, kept)
        mixed = attn.mixed(norm(tokens))
        weight, bias = product(attn.proj, fc)
        if kept is None:
            return linear(mixed, weight, bias + fc.bias)
        return torch.addcmul(fc.bias, kept, linear(mixed, weight, bias))


def product(first: nn.Linear, second: nn.Linear) -> tuple[Tensor, Tensor]:
    """Weight of both layers in a row and what the bias of the first becomes, in full precision."""
    with without_autocast(first.weight.device.type):
        weight = second.weight.float() if second.weight.dtype.itemsize < 4 else second.weight
        one = weight @ first.weight.to(weight.dtype)
        bias = weight @ first.bias.to(weight.dtype)
        return one.to(second.weight.dtype), bias.to(second.bias.dtype)


class ClassTokenModel(TimeSformer):
    """A model whose last block, a ``ClassTokenBlock``, computes no patch tokens for its features."""

    def encode_cls(self, clip: Tensor) -> Tensor:
        cls, grid = self.embed(clip)
        for block in self.blocks[:-1]:
            cls, grid = block(cls, grid)
        found: Tensor = self.blocks[-1](cls, grid, patches=False)[0]
        return found


class ClassTokenBlock(Block):
    """A block that can do without its patch tokens, which takes half of the operations."""

    def forward(self, cls: Tensor, grid: Tensor, *, patches: bool = True) -> tuple[Tensor, Tensor]:
        if patches:
            return super().forward(cls, grid)
        *steps, last = self.steps
        for step in steps:
            cls, grid = self.attend(step, cls, grid)
        cls = cls + self._cls_update(last, cls, grid)
        kept = self.kept(cls)
        return add(cls, self.mlp(self.norm2(cls)), kept), grid

    def _cls_update(self, step: Step, cls: Tensor, grid: Tensor) -> Tensor:
        """What ``step`` adds to the class token, which is the only query."""
        norm, attn, fc = self.parts(step)
        tokens, groups = join_cls(step, cls, grid)
        kept = self.kept(tokens)
        q, k, v = first_query(attn, norm(tokens))
        y = attn.proj_drop(attn.proj(mix_short(attn, q, k, v, tokens.shape)))
        y = fc(y if kept is None else kept * y)
        update: Tensor = reduce(y, "(b g) 1 d -> b 1 d", "mean", g=groups)
        return update
