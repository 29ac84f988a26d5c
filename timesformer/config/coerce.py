"""A value of a YAML file or of the command line, as the type of a key."""

import math
from ast import literal_eval
from collections.abc import Callable
from typing import Any

from timesformer.errors import ConfigError

_WORDS = {"true": True, "yes": True, "on": True, "1": True}
_WORDS |= {"false": False, "no": False, "off": False, "0": False}


def coerce(key: str, value: Any, default: Any) -> Any:
    """``value`` as the type of ``default``, if it can mean that without loss.

    Raises:
        ConfigError: it cannot; the message names ``key`` and the type.
    """
    raw = value
    if isinstance(value, str):
        value = value.strip() or value  # a separator may be a blank
        if not isinstance(default, str):
            value = _literal(value)
    convert, words = _TYPES[type(default)]
    try:
        return convert(value, default)
    except (ValueError, TypeError, OverflowError):
        raise ConfigError(f"{key} is {raw!r}, but must be {words}") from None


def type_in_words(default: Any) -> str:
    """The values that ``coerce`` takes for a key of this default."""
    return _TYPES[type(default)][1]


def _literal(text: str) -> Any:
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _to_bool(value: Any, _: bool) -> bool:
    try:
        return _WORDS[str(value).lower()]
    except KeyError:
        raise ValueError from None


def _to_int(value: Any, _: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or int(value) != value:
        raise ValueError
    return int(value)


def _to_float(value: Any, _: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError
    return float(value)


def _to_str(value: Any, _: str) -> str:
    if value is None or isinstance(value, list | tuple | dict):
        raise ValueError
    text = str(value)
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text


def _to_list(value: Any, default: list[Any]) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise ValueError
    convert: Callable[..., Any] = _to_int if default and isinstance(default[0], int) else _to_float
    return [convert(_literal(item) if isinstance(item, str) else item, 0) for item in value]


def _to_tuple(value: Any, _: tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(value, str) and value[:1] + value[-1:] == "[]":  # without quotes, as YAML has it
        value = [item for item in map(str.strip, value[1:-1].split(",")) if item]
    items = [value] * bool(value) if isinstance(value, str) else value
    return tuple(_to_str(item, "") for item in items)


def _to_optional(value: Any, _: None) -> list[float] | None:
    return None if value in (None, "", "null") else _to_list(value, [0.0])


_TYPES: dict[type, tuple[Callable[..., Any], str]] = {
    bool: (_to_bool, "true or false"),
    int: (_to_int, "a whole number"),
    float: (_to_float, "a number"),
    str: (_to_str, "text"),
    list: (_to_list, "a list of numbers, as [256, 320]"),
    tuple: (_to_tuple, "a list of texts"),
    type(None): (_to_optional, "empty or a list of two numbers"),
}
