"""A transformer block of space-time attention; tokens travel as in ``attention``."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from einops import reduce, repeat
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from timesformer.models.attention import LAYER_NORM_EPS, SCHEMES, SelfAttention, Step, merge, split
from timesformer.models.linear import Linear, linear, product_of, without_autocast


class Block(nn.Module):
    """Pre-norm transformer block: the attention steps of a scheme, then an MLP.

    (cls, grid) -> (cls, grid), shapes as in the module docstring.

    The unprefixed step and the MLP carry the names of an image ViT, so its weights load unchanged.
    Every prefixed step ends in a linear layer ``fc`` that starts at zero: an untrained block is the
    image model's block. Stochastic depth draws once a group, not once a clip, and ``fc`` comes
    after it, so that its bias is added even to a dropped group: both as published.

    Two kinds of products are spared, which changes results by rounding only: ``fc`` and the projection
    before it are one matrix, and a last block computes for the class token alone.
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
        self.lean = True  # norms and GELU are computed again in the backward pass, not kept
        self.as_published = False  # spare no product: for counting them
        # Registered in the order of the published parameters: optimizer states go by position.
        for step in sorted(self.steps, key=lambda step: step.prefix != ""):
            self.add_module(f"{step.prefix}norm1", nn.LayerNorm(dim, eps=LAYER_NORM_EPS))
            attention = SelfAttention(dim, num_heads, drop=drop, attn_drop=attn_drop)
            self.add_module(f"{step.prefix}attn", attention)
            if step.prefix:
                self.add_module(f"{step.prefix}fc", Linear(dim, dim))
        self.norm2 = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), drop=drop)

    def forward(
        self, cls: Tensor, grid: Tensor, *, patches: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """New (cls, grid); without ``patches`` (cls, None), which takes half of the operations."""
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(self.run, cls, grid, patches=patches, use_reentrant=False)
        return self.run(cls, grid, patches=patches)

    def run(self, cls: Tensor, grid: Tensor, *, patches: bool) -> tuple[Tensor, Tensor | None]:
        """The forward pass; how activations are kept is decided elsewhere."""
        patches = patches or self.as_published
        for step in self.steps[:-1]:
            cls, grid = self.attend(step, cls, grid)
        if patches:
            cls, grid = self.attend(self.steps[-1], cls, grid)
        else:
            cls = self.attend_cls(self.steps[-1], cls, grid)
        keep = self._kept(cls)  # one draw a clip, for all its tokens
        cls_update = self._feed_forward(cls)
        if keep is None:
            return cls + cls_update, grid + self._feed_forward(grid) if patches else None
        cls = torch.addcmul(cls, keep, cls_update)
        keep = keep[..., None, None]
        return cls, torch.addcmul(grid, keep, self._feed_forward(grid)) if patches else None

    def attend(self, step: Step, cls: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
        """One residual attention step."""
        if not step.sees_cls:
            return cls, grid + self._grid_update(step, grid)
        tokens, groups = _with_cls(step, cls, grid)
        update = self._token_update(step, tokens)
        cls = cls + reduce(update[:, :1], "(b g) 1 d -> b 1 d", "mean", g=groups)
        return cls, grid + merge(step, update[:, 1:], grid.shape)

    def attend_cls(self, step: Step, cls: Tensor, grid: Tensor) -> Tensor:
        """The class token after ``step``, which it sees."""
        tokens, groups = _with_cls(step, cls, grid)
        update = self._token_update(step, tokens, queries=1)
        return cls + reduce(update, "(b g) 1 d -> b 1 d", "mean", g=groups)

    def fc_layers(self) -> list[nn.Linear]:
        """The linear layers that close the prefixed steps."""
        return [getattr(self, f"{step.prefix}fc") for step in self.steps if step.prefix]

    def _token_update(self, step: Step, tokens: Tensor, queries: int | None = None) -> Tensor:
        """Residual of ``step`` for all or the first tokens, (groups, tokens, D) -> the same."""
        attn = getattr(self, f"{step.prefix}attn")
        heads = self._normed(f"{step.prefix}norm1", tokens, partial(attn.heads, queries=queries))
        project = partial(self._project, step, self._kept(tokens))
        return attn.mixed(heads, layer=project, lean=self._is_lean())

    def _grid_update(self, step: Step, grid: Tensor) -> Tensor:
        """The same for a step without the class token, (B, T, H, W, D) -> the same, in place."""
        attn = getattr(self, f"{step.prefix}attn")
        heads = self._normed(f"{step.prefix}norm1", grid, partial(attn.heads, layout=step.layout))
        groups = split(step, grid[..., :1])
        keep = self._kept(groups)
        if keep is not None:
            keep = merge(step, keep.expand_as(groups), grid.shape)
        project = partial(self._project, step, keep)
        sizes = dict(zip("thw", grid.shape[1:4], strict=True))
        return attn.mixed(heads, step.layout, layer=project, lean=self._is_lean(), **sizes)

    def _project(self, step: Step, keep: Tensor | None, mixed: Tensor) -> Tensor:
        """Residual of ``step`` from what its heads mixed, (..., D) -> (..., D)."""
        attn = getattr(self, f"{step.prefix}attn")
        if step.prefix and self._is_one_matrix(attn, mixed):
            fc = getattr(self, f"{step.prefix}fc")
            weight, bias = _one_matrix(attn.proj, fc)
            if keep is None:
                return linear(mixed, weight, bias + fc.bias)
            return torch.addcmul(fc.bias, keep, linear(mixed, weight, bias))
        update = attn.proj_drop(attn.proj(mixed))
        if keep is not None:
            update = keep * update
        return getattr(self, f"{step.prefix}fc")(update) if step.prefix else update

    def _is_one_matrix(self, attn: "SelfAttention", mixed: Tensor) -> bool:
        """Whether nothing lies between both layers, and multiplying them with each other pays."""
        drops = self.training and attn.proj_drop.p > 0
        dim = mixed.shape[-1]
        return not drops and not self.as_published and mixed.numel() > dim * dim

    def _feed_forward(self, x: Tensor) -> Tensor:
        """The MLP after its norm, (..., D) -> (..., D)."""
        return self._normed("norm2", x, partial(self.mlp, lean=self._is_lean()))

    def _normed(self, norm: str, x: Tensor, layer: Callable[[Tensor], Any]) -> Any:
        """``layer`` of the layer norm of x."""
        return product_of(getattr(self, norm), x, layer=layer, lean=self._is_lean())

    def _is_lean(self) -> bool:
        return self.lean and not self.recompute

    def _kept(self, x: Tensor) -> Tensor | None:
        """Stochastic depth: 0 or 1 / (1 - rate) for each row of x, (rows, 1, 1); None: keep all."""
        if not self.training or self.drop_path == 0.0:
            return None
        rate = 1.0 - self.drop_path
        return x.new_empty(x.shape[0], 1, 1).bernoulli_(rate).div_(rate)


class Mlp(nn.Module):
    """Two-layer perceptron with GELU, (..., D) -> (..., D)."""

    def __init__(self, dim: int, hidden: int, *, drop: float = 0.0) -> None:
        super().__init__()
        self.fc1 = Linear(dim, hidden)
        self.fc2 = Linear(hidden, dim)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor, *, lean: bool = False) -> Tensor:
        """``lean`` keeps the input of GELU only."""
        hidden = self.fc1(x)
        if self.training and self.drop.p > 0:
            return self.drop(self.fc2(self.drop(F.gelu(hidden))))
        return product_of(F.gelu, hidden, layer=self.fc2, lean=lean)


def _with_cls(step: Step, cls: Tensor, grid: Tensor) -> tuple[Tensor, int]:
    """Groups of tokens with a class token in front, (B * groups, 1 + tokens, D), and groups a clip."""
    tokens = split(step, grid)
    groups = grid[0, ..., 0].numel() // tokens.shape[1]
    return torch.cat([repeat(cls, "b 1 d -> (b g) 1 d", g=groups), tokens], dim=1), groups


def _one_matrix(first: nn.Linear, second: nn.Linear) -> tuple[Tensor, Tensor]:
    """Weight of both layers in a row and what the bias of the first becomes, in full precision."""
    with without_autocast(first.weight.device.type):
        weight = second.weight.float() if second.weight.dtype.itemsize < 4 else second.weight
        one = weight @ first.weight.to(weight.dtype)
        bias = weight @ first.bias.to(weight.dtype)
        return one.to(second.weight.dtype), bias.to(second.bias.dtype)
