"""Activations that are computed again in the backward pass instead of being kept.

``checkpointed`` keeps nothing of a layer but its input. ``recompute_cheap`` keeps what took
products to compute: a linear layer must keep its input for the gradient of its weight, but where that is
a norm or a GELU, what it was made of is kept anyway, and it takes little time to make it once more.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.amp import is_autocast_available
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from timesformer.models.block import Block
from timesformer.models.rewrite import become, modules, rewrite

Recipes = WeakKeyDictionary[Any, "_Recipe"]  # by the storage of what they make

_recipes: Recipes | None = None  # of the innermost ``recomputing``


def checkpointed(module: nn.Module) -> nn.Module:
    """``module``, which keeps no activation; apply it after all other rewrites."""
    return become(module, Checkpointed)


def recompute_cheap(model: nn.Module) -> nn.Module:
    """Norms, GELU and short attention are computed again: less memory, hardly more time.

    Not in blocks that compute all their activations again.
    """
    for block in modules(model, Block):
        if not isinstance(block, Checkpointed):
            become(block, RecomputingBlock)
            rewrite(block, nn.LayerNorm, RecomputedNorm)
            rewrite(block, nn.GELU, RecomputedGELU)
    return model


@contextlib.contextmanager
def recomputing() -> Iterator[None]:
    """Context of a forward pass whose ``recomputed`` tensors are not kept for the backward pass."""
    global _recipes
    if not torch.is_grad_enabled():
        yield
        return
    outer, _recipes = _recipes, WeakKeyDictionary()
    try:
        with saved_tensors_hooks(partial(_pack, _recipes), _unpack):
            yield
    finally:
        _recipes = outer


def recomputed(make: Callable[..., Tensor], *sources: Tensor) -> Tensor:
    """``make(*sources)`` for linear layers; inside ``recomputing`` only the sources are kept.

    Args:
        make: a cheap operation without random numbers, which needs its sources for their gradients.
        sources: nobody may change them in place before the backward pass.
    """
    made = make(*sources)
    if torch.compiler.is_compiling() or _recipes is None or not torch.is_grad_enabled():
        return made  # a compiler decides by itself what to keep
    device = made.device.type
    if is_autocast_available(device) and torch.is_autocast_enabled(device):
        made = made.to(torch.get_autocast_dtype(device))  # else a layer would keep its own copy
    _recipes[made.untyped_storage()] = _Recipe(make, sources, made)
    return made


class Checkpointed(nn.Module):
    """A module that computes its activations again, all of them."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return super().forward(*args, **kwargs)
        if not torch.compiler.is_compiling():  # a compiler changes no statistics again
            kwargs["context_fn"] = partial(_contexts, self)
        return checkpoint(super().forward, *args, use_reentrant=False, **kwargs)


class RecomputingBlock(Block):
    """A block around ``recomputed`` operations."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return super().forward(*args, **kwargs)
        with recomputing():
            return super().forward(*args, **kwargs)


class RecomputedNorm(nn.LayerNorm):
    """``nn.LayerNorm`` before linear layers."""

    def forward(self, x: Tensor) -> Tensor:
        return recomputed(super().forward, x)


class RecomputedGELU(nn.GELU):
    """``nn.GELU`` before a linear layer."""

    def forward(self, x: Tensor) -> Tensor:
        return recomputed(super().forward, x)


class _Recipe:
    """What is saved of one tensor: how it was made."""

    def __init__(
        self, make: Callable[..., Tensor], sources: tuple[Tensor, ...], made: Tensor
    ) -> None:
        self.make = make
        self.sources = [source.detach() for source in sources]
        self.versions = [source._version for source in self.sources]
        self.dtype = made.dtype
        self.saved = self.left = 0  # how often it was saved, and not asked for yet
        self.made: Tensor | None = None

    def remake(self) -> Tensor:
        """The tensor; made once for all layers that saved it."""
        if [source._version for source in self.sources] != self.versions:
            raise RuntimeError("a tensor that is to be computed again was changed in place")
        if self.made is None:
            self.made = self.make(*self.sources).to(self.dtype)
        made = self.made
        self.left -= 1
        if not self.left:
            self.made, self.left = None, self.saved
        return made


def _pack(recipes: Recipes, tensor: Tensor) -> Any:
    recipe = recipes.get(tensor.untyped_storage())
    if recipe is None:
        return tensor.detach()  # itself would never be freed, where it is what its node has made
    recipe.saved += 1
    recipe.left = recipe.saved
    return recipe, (tensor.size(), tensor.stride(), tensor.storage_offset())


def _unpack(kept: Any) -> Tensor:
    if isinstance(kept, Tensor):
        return kept
    recipe, view = kept
    remade: Tensor = recipe.remake().as_strided(*view)
    return remade


def _contexts(
    module: nn.Module,
) -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """Of the forward pass, and of computing it again."""
    return contextlib.nullcontext(), _without_statistics(module)


@contextlib.contextmanager
def _without_statistics(module: nn.Module) -> Iterator[None]:
    """Context in which batch norms count nothing: they have seen the batch already."""
    norms = list(modules(module, _BatchNorm))
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        if norm.num_batches_tracked is not None:  # PyTorch's SyncBatchNorm wants to count
            norm.num_batches_tracked = norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
