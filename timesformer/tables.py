"""Choices are rows of dict literals; a wrong name gets an error that lists the rows. Rows as text."""

from collections.abc import Container, Iterable, Mapping, Sequence
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


def format_table(
    rows: Iterable[Sequence[object]],
    *,
    has_head: bool = True,
    right: Container[int] = (),
    widths: Sequence[int] = (),
) -> str:
    """Rows as lines of printable cells, in columns two blanks apart.

    Args:
        rows: of equally many cells, at least one.
        has_head: whether the first row gets a rule below it.
        right: columns whose cells are aligned right.
        widths: of the columns, where a table is printed in parts; else those of the widest cells.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = widths or [max(map(width, column)) for column in zip(*cells, strict=True)]
    if has_head:
        cells.insert(1, ["-" * columns for columns in widths])
    lines = (
        "  ".join(
            padded(cell, columns, right=i in right)
            for i, (cell, columns) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)


def markdown_table(rows: Sequence[Sequence[object]], *, right: Container[int] = ()) -> str:
    """Rows as a table of Markdown, the first one its head; ``right``: columns aligned right."""
    rule = ["---:" if i in right else "---" for i in range(len(rows[0]))]
    cells = [[printable(cell).replace("|", "\\|") for cell in row] for row in rows]
    cells.insert(1, rule)
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def seconds_text(seconds: float) -> str:
    """``45 s``, ``3.5 min`` or ``2.1 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
