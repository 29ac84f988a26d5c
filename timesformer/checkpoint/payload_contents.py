"""The objects inside the content of a file: containers, stand-ins of unknown classes, whole models."""

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from timesformer.checkpoint.formats.pickles import Unknown

_DEEPEST = 40


def set_aside(payload: object) -> Counter[str]:
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
