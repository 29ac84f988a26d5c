"""The content of a file: what our entries must be, and the objects inside any file.

The objects are containers, stand-ins of unknown classes, and whole models.
"""

import argparse
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from timesformer.checkpoint.files import CheckpointError
from timesformer.checkpoint.formats.pickles import Unknown
from timesformer.io.terminal import printable

_DEEPEST = 40


class _Rule(NamedTuple):
    """What an entry must be, in words and as a test of it."""

    words: str
    holds: Callable[[Any], bool]


def check_entries(payload: Mapping[str, Any], path: str | Path) -> None:
    """Raise CheckpointError if an entry of a checkpoint, of the file ``path``, is not what it must be."""
    if found := wrong_entries(payload):
        wrong = "; ".join(f"its entry {key} {what}" for key, what in found.items())
        raise CheckpointError(
            f"{printable(path)} is not a checkpoint of a training: {wrong}. Use another checkpoint, or "
            "copy it again"
        )


def wrong_entries(payload: Mapping[str, Any]) -> dict[str, str]:
    """The entries that are not what they must be, and what is wrong; entries without a rule may be all."""
    return {
        key: f"is {_shown(payload[key])}, not {rule.words}"
        for key, rule in _RULES.items()
        if key in payload and not rule.holds(payload[key])
    }


def _whole(value: Any, *, least: int = 0) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _state(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items()
    )


def _optimizer(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    if not value:  # of weights that no optimizer goes with
        return True
    if not isinstance(value.get("state"), Mapping):
        return False
    groups = value.get("param_groups")
    return (
        isinstance(groups, list)
        and all(isinstance(state, Mapping) for state in value["state"].values())
        and all(isinstance(g, Mapping) and isinstance(g.get("params"), list) for g in groups)
    )


def _fields(**rules: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A mapping that has these fields, each by its own rule; others may be there."""

    def holds(value: Any) -> bool:
        return isinstance(value, Mapping) and all(
            name in value and rule(value[name]) for name, rule in rules.items()
        )

    return holds


def _each(rule: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A mapping from names to values by this rule."""

    def holds(value: Any) -> bool:
        return isinstance(value, Mapping) and all(
            isinstance(name, str) and rule(part) for name, part in value.items()
        )

    return holds


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


def _plain(value: Any) -> bool:
    """A number or text, or a list of them."""
    parts: Iterable[Any] = value if isinstance(value, list | tuple) else [value]
    return all(part is None or isinstance(part, str | Real) for part in parts)


def _positive(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and 0 < value < math.inf


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str | int | float | bool | None) else ""
    kind = type(value).__name__
    return f"{printable(text[:40])} ({kind})" if text else f"a {kind}"


_NAMES = _Rule("a list of names", lambda v: isinstance(v, list | tuple) and all(map(_is(str), v)))
_MAPPING = _Rule("a dictionary", _is(Mapping))
_LIST = _fields(sha256=_is(str), list=_is(str), videos=_whole)
_RULES = {
    "epoch": _Rule("a whole number", lambda value: _whole(value, least=-1)),
    "model_state": _Rule("names with dense tensors", _state),
    "ema_state": _Rule("names with dense tensors", _state),
    "optimizer_state": _Rule("the state of an optimizer (state, param_groups)", _optimizer),
    "scaler_state": _MAPPING,
    "cfg": _Rule("text", _is(str)),
    "class_names": _NAMES,
    "preprocessing": _Rule("names with numbers or text", _each(_plain)),
    "data": _Rule("a fingerprint (list, sha256, videos) of each split", _each(_LIST)),
    "versions": _Rule("names with text", _each(_plain)),
    "command": _Rule("text", _is(str)),
    "position": _Rule(
        "an epoch and a batch, whole numbers from 0",
        lambda v: _fields(epoch=_whole, batch=_whole)(v) and len(v) == 2,
    ),
    "best": _Rule(
        "the best validation (badness, epoch, stale, seen)",
        _fields(badness=_is(Real), epoch=_plain, stale=_whole, seen=_is(Mapping)),
    ),
    "guard": _Rule("counts (in_a_row, went_back)", _fields(in_a_row=_whole, went_back=_is(int))),
    "sampling": _Rule("names with numbers or text", _each(_plain)),
    "run": _Rule("text", _is(str)),
    "started_from": _Rule(
        "what the run started from (how, file, sha256, cut_from_names)",
        _fields(how=_is(str), file=_is(str), sha256=_is(str), cut_from_names=_is(list)),
    ),
    "temperature": _Rule(
        "a temperature (value above 0, list, sha256, videos)",
        _fields(value=_positive, list=_is(str), sha256=_is(str), videos=_whole),
    ),
    "written": _Rule("names with numbers", _each(_is(Real))),
    "meter": _MAPPING,
}
KNOWN_ENTRIES = frozenset(_RULES)
"""The entries of checkpoints that this code reads."""


def unknown_classes(payload: object) -> Counter[str]:
    """Names of the classes and functions that were not known, with how often they were used."""
    return Counter(
        value.name
        for _, value in walk(payload)
        if isinstance(value, Unknown) and value.args is not None
    )


def other_entries(payload: object, place: str) -> dict[str, str]:
    """The keys of a file that its weights are not under, and the class of what is there."""
    if not isinstance(payload, Mapping) or not place:
        return {}
    taken = place.split(".")[0]
    return {str(key): class_name(value) for key, value in payload.items() if str(key) != taken}


def walk(payload: object) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All containers and stand-ins of a file, each once, with the keys that lead to it."""
    todo: list[tuple[tuple[str, ...], Any]] = [((), payload)]
    seen = set()
    while todo:
        place, value = todo.pop()
        if id(value) in seen or len(place) > _DEEPEST:
            continue
        seen.add(id(value))
        yield place, value
        if isinstance(value, list | tuple | set | frozenset):
            inner = {str(i): part for i, part in enumerate(value) if _is_container(part)}
        else:
            entries = named_entries(value) or {}
            inner = {key_name(key): part for key, part in entries.items() if _is_container(part)}
        todo.extend(((*place, key), part) for key, part in reversed(inner.items()))


def _is_container(value: object) -> bool:
    return isinstance(
        value, Mapping | list | tuple | set | frozenset | Unknown | argparse.Namespace
    )


def named_entries(value: object) -> Mapping[Any, Any] | None:
    """What ``value`` holds by name; None if it is not a container of names."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, argparse.Namespace):
        return vars(value)
    if not isinstance(value, Unknown):
        return None
    pairs = zip(value.items[::2], value.items[1::2], strict=False)
    found: dict[Any, Any] = {key: part for key, part in pairs if isinstance(key, str)}
    if len(found) * 2 != len(value.items):  # of a list
        found = {"items": value.items}
    state = value.state if isinstance(value.state, dict) else {"state": value.state}
    return {**found, **state, "args": value.args}


def is_model(value: object) -> bool:
    """Whether ``value`` stands for a module of PyTorch that was pickled whole."""
    state = value.state if isinstance(value, Unknown) else None
    return isinstance(state, dict) and {"_parameters", "_modules"} <= state.keys()


def model_entries(module: Any, prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """The state dict of a model that was pickled whole."""
    found: dict[str, Any] = {}
    if not is_model(module) or depth > _DEEPEST:
        return found
    for kind in ("_parameters", "_buffers"):
        own = module.state.get(kind)
        temporary = module.state.get("_non_persistent_buffers_set") or ()
        for name, value in (own if isinstance(own, dict) else {}).items():
            if value is not None and name not in temporary:
                found[f"{prefix}{name}"] = value
    inner = module.state["_modules"]
    for name, part in (inner if isinstance(inner, dict) else {}).items():
        found |= model_entries(part, f"{prefix}{name}.", depth + 1)
    return found


def key_name(key: object) -> str:
    """A key as text; of tuples and the like, which may be endless, the class."""
    return str(key) if isinstance(key, str | int) else type(key).__name__


def class_name(value: object) -> str:
    """The class of a value of a file, as it was called where the file was written."""
    if isinstance(value, Unknown):
        return value.name
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
