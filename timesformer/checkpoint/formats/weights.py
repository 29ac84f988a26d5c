"""The content of a weights file of any format: our names, and what else it says."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from timesformer.errors import InputError

Rules = tuple[tuple[str, str], ...]
State = dict[str, Tensor]


class FormatError(InputError, ValueError):
    """Weights that this model cannot hold; the message says why."""


@dataclass
class Weights:
    """A state dict with our names (see ``convert``) and the facts that came with it.

    ``None`` and empty mean that the file does not say. ``dropped`` are tensors of the file that have
    no place in a TimeSformer, ``notes`` what a reader must know about the conversion, ``absent`` the
    parameters that files of this kind never have. ``about`` holds the descriptive entries of our own
    checkpoints: ``cfg``, ``epoch``, ``preprocessing``, ``data``, ``versions``, ``command``. ``place`` is
    where in the file the weights were, and ``aside`` names the classes that nothing was made of, with
    how often each occurs, and ``entries`` what else is in the file, with the class of each.
    """

    state: State
    format: str = ""
    dropped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    absent: tuple[str, ...] = ()
    norm_eps: float | None = None
    num_heads: int | None = None
    scheme: str | None = None
    class_names: tuple[str, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)
    place: str = ""
    aside: dict[str, int] = field(default_factory=dict)
    entries: dict[str, str] = field(default_factory=dict)


def rename(state: Mapping[str, Tensor], rules: Rules) -> State:
    """Every name through every rule, (pattern, replacement), in order."""
    renamed = {}
    for name, value in state.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    return renamed


def split(state: Mapping[str, Tensor], anchor: str) -> tuple[State, State]:
    """The names beside ``anchor``, without the prefix that it has, and all others.

    With the anchor ``cls_token``, ``module.backbone.cls_token`` is ``cls_token`` of the first part, and
    ``module.head.bias`` is ``head.bias`` of the second: a prefix of all names counts for none.

    Raises:
        FormatError: several names end with it: the file holds several models.
    """
    prefixes = {name[: -len(anchor)] for name in state if ends_with(name, anchor)}
    if len(prefixes) > 1:
        raise FormatError(
            f"it holds {len(prefixes)} models, {', '.join(sorted(prefixes))}; save one of them alone"
        )
    prefix = next(iter(prefixes), "")
    shared = next((p for p in _parents(prefix) if all(n.startswith(p) for n in state)), "")
    inner = {n[len(prefix) :]: value for n, value in state.items() if n.startswith(prefix)}
    outer = {n[len(shared) :]: value for n, value in state.items() if not n.startswith(prefix)}
    return inner, outer


def ends_with(name: str, anchor: str) -> bool:
    """Whether ``anchor`` is the last whole part of a dotted name."""
    return name == anchor or name.endswith(f".{anchor}")


def has(state: Iterable[str], anchor: str) -> bool:
    """Whether a name ends with ``anchor``."""
    return any(ends_with(name, anchor) for name in state)


def _parents(prefix: str) -> list[str]:
    """``a.b.`` -> [``a.b.``, ``a.``]."""
    parts = prefix.split(".")[:-1]
    return [".".join(parts[:i]) + "." for i in range(len(parts), 0, -1)]
