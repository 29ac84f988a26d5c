"""Where the weights are in the content of a file of any trainer, by what it holds and not by its keys.

Every mapping of names to tensors is a candidate, however deep, also the parts of a whole model that was
pickled. The one that is taken is the first by this order:

1. its names are those of a vision transformer of a format known here;
2. it is not part of an optimizer, a scheduler or the like;
3. it has at least nine tenths of the tensors of the largest one;
4. it is averaged (``ema``, ``swa``, ``averaged`` ... in its place);
5. its key is a usual one, in the order of ``_USUAL``;
6. it is the least deep, then the first in the file.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from timesformer.checkpoint.formats import is_known
from timesformer.checkpoint.formats.torch_tensors import unreadable_kind
from timesformer.checkpoint.payload import (
    class_name,
    is_model,
    key_name,
    model_entries,
    named_entries,
    walk,
)

State = dict[str, Tensor]

WRAPPERS = {  # of modules around modules: DDP, torch.compile, activation checkpointing, FSDP, DeepSpeed
    "module",
    "_orig_mod",
    "_checkpoint_wrapped_module",
    "_fsdp_wrapped_module",
    "_fpw_module",
    "_forward_module",
}
_USUAL = (  # "module" is DeepSpeed's
    "model_state",
    "state_dict",
    "model",
    "teacher",
    "model_state_dict",
    "module",
)
_AVERAGED = {"ema", "swa", "averaged", "average", "avg"}
_NO_WEIGHTS = re.compile(r"optim|sched|scaler|grad|momentum|exp_avg")
_HEADS = {"head", "classifier", "fc", "cls_head", "linear"}
_LEFT_OUT = re.compile(  # in a state dict, but not of the model: what Lightning and averages add
    r"(n_averaged|(\w+_)?(criterion|loss|loss_fn|metrics?|acc|accuracy|top1|top5)\.)"
)
_ANCHORS = (  # of which a model has one
    "patch_embed.proj.weight",
    "patch_embed.projection.weight",
    "embeddings.patch_embeddings.projection.weight",
)
_MANY = 9 / 10  # of the tensors of the largest candidate
_WORDS = re.compile(r"[^a-z]+")


class Found(NamedTuple):
    """The weights of a file, under which ``place`` they are, and what else is there."""

    state: State
    place: str  # keys, joined by dots; empty: the file is nothing else
    alternatives: tuple[str, ...]  # places of other weights that might have been meant
    left_out: tuple[str, ...]  # names of the state dict that are not of the model


class _Candidate(NamedTuple):
    place: tuple[str, ...]
    state: State
    without_values: dict[str, str]  # names -> sparse, quantized, ...

    @property
    def known(self) -> bool:
        return is_known(self.state)

    @property
    def words(self) -> set[str]:
        return {word for part in self.place for word in _WORDS.split(part.lower())}

    @property
    def usual(self) -> int:
        ranks = [_USUAL.index(part) for part in self.place if part in _USUAL]
        return min(ranks, default=len(_USUAL))

    @property
    def is_state_of_training(self) -> bool:
        return any(_NO_WEIGHTS.search(part.lower()) for part in self.place)


def find_weights(payload: object) -> Found:
    """The state dict inside the content of a file, with the names that the model had.

    Raises:
        ValueError: there is none, or its tensors have no values.
    """
    candidates = list(_candidates(payload))
    if not candidates:
        raise ValueError(f"it holds no weights, only {_keys(payload)}")
    chosen, alternatives = _choose(candidates)
    if chosen.without_values:
        named = [f"{name} ({kind})" for name, kind in list(chosen.without_values.items())[:4]]
        raise ValueError(
            f"{len(chosen.without_values)} of its tensors are not dense numbers: {', '.join(named)}; "
            "save them dense"
        )
    state = strip_prefixes(_with_head(chosen, candidates))
    if any(name.endswith("flat_param") for name in state):
        raise ValueError("its tensors are flattened by FSDP (flat_param); save the full state dict")
    kept, others = _one_model(state)
    left_out = [name for name in state if name not in kept or _LEFT_OUT.match(name)]
    state = {name: _as_tensor(value) for name, value in kept.items() if name not in left_out}
    places = tuple(".".join(each.place) for each in alternatives) + others
    return Found(strip_prefixes(state), ".".join(chosen.place), places, tuple(left_out))


def find_state(payload: object) -> State:
    """``find_weights``, the tensors alone."""
    return find_weights(payload).state


def strip_prefixes(state: Mapping[str, Tensor]) -> State:
    """Names without those of wrappers, wherever they stand, and without the common ``model.``."""
    stripped = {_bare(name): value for name, value in state.items()}
    if len(stripped) < len(state):  # a part of the model is really called so
        stripped = dict(state)
    while stripped and all(name.startswith("model.") for name in stripped):
        stripped = {name[len("model.") :]: value for name, value in stripped.items()}
    return stripped


def _choose(candidates: list[_Candidate]) -> tuple[_Candidate, list[_Candidate]]:
    """The best by the rule above, and others that are known too."""
    best: list[_Candidate] = candidates
    conditions: tuple[Callable[[_Candidate], bool], ...] = (
        lambda each: each.known,
        lambda each: not each.is_state_of_training,
    )
    for condition in conditions:
        best = [each for each in best if condition(each)] or best
    most = max(len(each.state) for each in best)
    alternatives = [each for each in best if len(each.state) >= _MANY * most]
    alternatives.sort(key=lambda each: (not each.words & _AVERAGED, each.usual, len(each.place)))
    return alternatives[0], alternatives[1:] if alternatives[0].known else []


def _candidates(payload: object) -> Iterator[_Candidate]:
    for place, value in walk(payload):
        parts = model_entries(value) if is_model(value) else named_entries(value)
        if parts is None:
            continue
        state = {str(name): part for name, part in parts.items() if _is_tensor(part)}
        kinds = {str(name): unreadable_kind(part) for name, part in parts.items()}
        without = {name: kind for name, kind in kinds.items() if kind}
        if state or without:
            yield _Candidate(place, strip_prefixes(state), without)


def _one_model(state: State) -> tuple[State, tuple[str, ...]]:
    """Of several models in one state dict the averaged one, or the teacher; and what the others are."""
    prefixes = next(
        (found for anchor in _ANCHORS if len(found := _prefixes(state, anchor)) > 1), []
    )
    words = [set(_WORDS.split(prefix.lower())) for prefix in prefixes]
    wanted = [p for p, said in zip(prefixes, words, strict=True) if said & {*_AVERAGED, "teacher"}]
    if len(wanted) != 1:
        return state, ()  # ``formats`` names them, if they are several
    first = wanted[0].split(".")[0]
    others = tuple(prefix for prefix in prefixes if prefix != wanted[0])
    roots = tuple(p if p.split(".")[0] == first else p.split(".")[0] + "." for p in others)
    keep_all = any(not root.strip(".") for root in roots)
    kept = {
        name: value
        for name, value in state.items()
        if (name.startswith(wanted[0]) if keep_all else not name.startswith(roots))
    }
    return kept, tuple(other.strip(".") for other in others)


def _prefixes(state: State, anchor: str) -> list[str]:
    return [name[: -len(anchor)] for name in state if f".{name}".endswith(f".{anchor}")]


def _with_head(chosen: _Candidate, candidates: list[_Candidate]) -> State:
    """The weights, with those of a classifier that is kept beside them as a part of its own."""
    if not chosen.place or any("head" in name or "classifier" in name for name in chosen.state):
        return chosen.state
    beside = [
        each
        for each in candidates
        if each.place[:-1] == chosen.place[:-1]
        and each.place[-1].lower() in _HEADS
        and len(each.state) <= 2
    ]
    if not beside:
        return chosen.state
    return {
        **{f"backbone.{name}": value for name, value in chosen.state.items()},
        **{f"head.{name.rsplit('.', 1)[-1]}": v for name, v in beside[0].state.items()},
    }


def _is_tensor(value: object) -> bool:
    return isinstance(value, Tensor) or (
        isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.ndim > 0
    )


def _as_tensor(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach()
    return torch.from_numpy(np.array(value, value.dtype.newbyteorder("="), order="C"))


def _bare(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _keys(payload: object) -> object:
    if isinstance(payload, Mapping):
        return sorted(key_name(key)[:40] for key in payload)[:8]
    return f"a {class_name(payload)}"
