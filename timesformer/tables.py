"""Choices are rows of dict literals; a wrong name gets an error that lists the rows. Rows as text."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from timesformer.io.terminal import padded, printable, width

T = TypeVar("T")


def choose(table: Mapping[str, T], name: str, *, key: str) -> T:
    """Entry ``name`` of ``table``.

    Raises:
        ValueError: no such entry; the message lists the choices for ``key``.
    """
    if name not in table:
        raise ValueError(f"{key} is {name!r}; choose one of {', '.join(table)}")
    return table[name]


def format_table(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns padded to their widest cell, a rule below the first row; cells are made printable."""
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [max(width(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(padded(c, w) for c, w in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)
