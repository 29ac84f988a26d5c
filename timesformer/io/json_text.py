"""JSON that every reader takes: numbers that JSON has not (nan, infinity) become null."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any


def json_text(
    value: Any, *, indent: int | None = 2, default: Callable[[Any], Any] | None = None
) -> str:
    """``value`` as JSON; ``default`` as in ``json.dumps``."""
    value = finite(value)
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False, default=default)
    try:
        text.encode()
    except UnicodeEncodeError:  # names of files that are not UTF-8
        return json.dumps(value, indent=indent, allow_nan=False, default=default)
    return text


def finite(value: Any) -> Any:
    """``value``, nested, with None in place of floats that are not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return value
