"""Rewrites: modules get a class that computes in another way; parameters, names and hooks stay."""

import functools
from collections.abc import Iterator
from typing import TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)


def become(module: M, other: type[nn.Module]) -> M:
    """``module`` with the methods of ``other`` in front of its own; nothing if it has them."""
    if not isinstance(module, other):
        module.__class__ = _joined(other, type(module))  # type: ignore[assignment, arg-type]
    return module


def rewrite(model: M, of: type[nn.Module], other: type[nn.Module]) -> M:
    """``model`` whose modules of the class ``of`` become ``other``."""
    for module in modules(model, of):
        become(module, other)
    return model


def plain(model: M) -> M:
    """``model`` without rewrites."""
    for module in model.modules():
        module.__class__ = getattr(type(module), "plain_class", type(module))
    return model


def modules(model: nn.Module, of: type[M]) -> Iterator[M]:
    """The modules of the class ``of`` in ``model``."""
    return (module for module in list(model.modules()) if isinstance(module, of))


@functools.cache
def _joined(front: type[nn.Module], back: type[nn.Module]) -> type[nn.Module]:
    """A class of both; the same one each time, so that a compiler knows it again."""
    known = {"plain_class": getattr(back, "plain_class", back), "__module__": back.__module__}
    return type(f"{front.__name__}{back.__name__}", (front, back), known)
