"""The classes and functions of pickles that are plain data: what is made in their place.

Every row makes a value of Python or numpy from plain arguments, or raises TypeError or ValueError.
"""

import argparse
import datetime
import decimal
import pathlib
from typing import Any

import numpy as np

from timesformer.checkpoint.formats.pickles import TEXT, NumberType, Table, as_key

_NUMBERS = "biufcSUMm"  # kinds of numpy's types whose values are bytes, and no objects


def _mapping(*args: Any) -> dict[Any, Any]:
    """Of an OrderedDict, a defaultdict (whose factory is left out) or a Counter."""
    content = args[-1] if args else {}
    if isinstance(content, dict):
        return dict(content)
    pairs = content if isinstance(content, list | tuple) else []
    return {as_key(key): value for key, value in pairs}


def _plain(kind: type) -> Any:
    """``kind`` of a list, tuple or set alone: never of a range, which may be endless."""

    def make(content: Any = ()) -> Any:
        if not isinstance(content, list | tuple | set | frozenset):
            raise TypeError
        return kind(map(as_key, content) if kind in (set, frozenset) else content)

    return make


def _bytes(text: Any = b"", encoding: Any = "latin1") -> bytes:
    """Bytes, as protocol 2 writes them."""
    if isinstance(text, str) and encoding in ("latin1", "latin-1"):
        return text.encode("latin1")
    if not isinstance(text, bytes | bytearray):
        raise TypeError
    return bytes(text)


def _path(kind: type[pathlib.PurePath]) -> Any:
    def make(*parts: Any) -> pathlib.PurePath:
        if not all(isinstance(part, str) for part in parts):
            raise TypeError
        return kind(*parts)

    return make


def _moment(kind: type) -> Any:
    """A date or time; those whose zone is of another package are not known."""

    def make(*args: Any) -> Any:
        known = int | float | str | bytes | datetime.tzinfo | datetime.timedelta | None
        if not all(isinstance(arg, known) for arg in args):
            raise TypeError
        return kind(*args)

    return make


def _decimal(text: Any) -> decimal.Decimal:
    if not isinstance(text, str) or len(text) > 100:
        raise TypeError
    return decimal.Decimal(text)


def _namespace(*_: Any) -> argparse.Namespace:
    return argparse.Namespace()


def _empty_array(*_: Any) -> np.ndarray:
    """The pickle fills it afterwards."""
    return np.empty(0, np.uint8)


def _number_type(kind: Any) -> np.dtype:
    if not isinstance(kind, NumberType) or np.dtype(kind.code).kind not in _NUMBERS:
        raise TypeError
    return np.dtype(kind.code)


def _scalar(kind: Any, content: Any) -> np.generic:
    if isinstance(content, str):  # of Python 2
        content = content.encode(*TEXT)
    if not isinstance(content, bytes):
        raise TypeError
    return np.frombuffer(content, _number_type(kind), 1)[0]  # type: ignore[no-any-return]


def _filled(content: Any, kind: Any, shape: Any, order: str = "C") -> np.ndarray:
    if not isinstance(content, bytes | bytearray):
        raise TypeError
    found = np.frombuffer(bytearray(content), _number_type(kind))
    return found.reshape(shape, order="F" if order == "F" else "C")


DATA: Table = {
    ("collections", "OrderedDict"): _mapping,
    ("collections", "defaultdict"): _mapping,
    ("collections", "Counter"): _mapping,
    ("builtins", "dict"): _mapping,
    ("builtins", "set"): _plain(set),
    ("builtins", "frozenset"): _plain(frozenset),
    ("builtins", "list"): _plain(list),
    ("builtins", "tuple"): _plain(tuple),
    ("builtins", "slice"): slice,
    ("builtins", "range"): range,
    ("builtins", "complex"): complex,
    ("builtins", "bytes"): _bytes,
    ("builtins", "bytearray"): lambda *args: bytearray(_bytes(*args)),
    ("_codecs", "encode"): _bytes,
    ("argparse", "Namespace"): _namespace,
    ("types", "SimpleNamespace"): _namespace,
    **{("datetime", name): _moment(getattr(datetime, name)) for name in
       ("datetime", "date", "time", "timedelta", "timezone")},
    ("decimal", "Decimal"): _decimal,
    **{("pathlib", f"{pure}{system}Path"): _path(kind) for pure in ("", "Pure") for system, kind in
       (("", pathlib.PurePosixPath), ("Posix", pathlib.PurePosixPath),
        ("Windows", pathlib.PureWindowsPath))},
    ("numpy", "dtype"): NumberType,
    ("numpy", "ndarray"): _empty_array,
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _filled,
}  # fmt: skip
