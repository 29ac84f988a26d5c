"""Choices are rows of dict literals; a wrong name gets an error that lists the rows."""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


def choose(table: Mapping[str, T], name: str, *, key: str) -> T:
    """Entry ``name`` of ``table``.

    Raises:
        ValueError: no such entry; the message lists the choices for ``key``.
    """
    if name not in table:
        raise ValueError(f"{key} is {name!r}; choose one of {', '.join(table)}")
    return table[name]
