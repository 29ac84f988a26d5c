"""A transformer block of space-time attention; tokens travel as in ``attention``."""

import torch
from einops import reduce, repeat
from torch import Tensor, nn

from timesformer.models.attention import LAYER_NORM_EPS, SCHEMES, SelfAttention, Step, merge, split

IDENTITY = nn.Identity()


class Block(nn.Module):
    """Pre-norm transformer block: the attention steps of a scheme, then an MLP.

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
        for step in self.steps:
            cls, grid = self.attend(step, cls, grid)
        kept = self.kept(cls)  # one draw a clip, for all its tokens
        cls = add(cls, self.mlp(self.norm2(cls)), kept)
        grid = add(grid, self.mlp(self.norm2(grid)), kept)
        return cls, grid

    def attend(self, step: Step, cls: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
        """One residual attention step."""
        if not step.sees_cls:
            tokens = split(step, grid)
            update = self.update(step, tokens, self.kept(tokens))
            return cls, grid + merge(step, update, grid.shape)
        tokens, groups = join_cls(step, cls, grid)
        update = self.update(step, tokens, self.kept(tokens))
        cls = cls + reduce(update[:, :1], "(b g) 1 d -> b 1 d", "mean", g=groups)
        return cls, grid + merge(step, update[:, 1:], grid.shape)

    def update(self, step: Step, tokens: Tensor, kept: Tensor | None) -> Tensor:
        """What ``step`` adds to its tokens, (groups, tokens, D) -> the same."""
        norm, attn, fc = self.parts(step)
        y = attn(norm(tokens))
        update: Tensor = fc(y if kept is None else kept * y)
        return update

    def parts(self, step: Step) -> tuple[nn.Module, SelfAttention, nn.Module]:
        """Norm, attention and last layer of ``step``; the identity where it has no ``fc``."""
        norm, attn = (getattr(self, f"{step.prefix}{name}") for name in ("norm1", "attn"))
        return norm, attn, getattr(self, f"{step.prefix}fc", IDENTITY)

    def kept(self, x: Tensor) -> Tensor | None:
        """Stochastic depth: 0 or 1 / (1 - rate) for each row of x, (rows, 1, 1); None: keep all."""
        if not self.training or self.drop_path == 0.0:
            return None
        rate = 1.0 - self.drop_path
        return x.new_empty(x.shape[0], 1, 1).bernoulli_(rate).div_(rate)

    def fc_layers(self) -> list[nn.Linear]:
        """The linear layers that close the prefixed steps."""
        return [getattr(self, f"{step.prefix}fc") for step in self.steps if step.prefix]


class Mlp(nn.Module):
    """Two-layer perceptron with GELU, (..., D) -> (..., D)."""

    def __init__(self, dim: int, hidden: int, *, drop: float = 0.0) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, dim)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.drop(self.fc2(self.drop(self.act(self.fc1(x)))))
        return y


def join_cls(step: Step, cls: Tensor, grid: Tensor) -> tuple[Tensor, int]:
    """Groups of tokens with a class token in front, (B * groups, 1 + tokens, D), and groups a clip."""
    tokens = split(step, grid)
    groups = grid[0, ..., 0].numel() // tokens.shape[1]
    return torch.cat([repeat(cls, "b 1 d -> (b g) 1 d", g=groups), tokens], dim=1), groups


def add(x: Tensor, update: Tensor, kept: Tensor | None) -> Tensor:
    """X + kept * update, for x (B, ..., D) and ``kept`` (B, 1, 1), or None for 1."""
    if kept is None:
        return x + update
    return torch.addcmul(x, kept.view(-1, *[1] * (x.ndim - 1)), update)
