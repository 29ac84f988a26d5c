"""CSV that people open in a spreadsheet: a name is never a formula there.

A text that begins with = + - @ a tab, a carriage return or an apostrophe gets an apostrophe in front,
which spreadsheets take for "this is text". Numbers stay numbers. ``original`` undoes it.
"""

from collections.abc import Iterable

FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def safe_row(cells: Iterable[object]) -> list[object]:
    """``cells`` for ``csv.writer``; no text of them is a formula."""
    return [safe(cell) if isinstance(cell, str) else cell for cell in cells]


def safe(text: str) -> str:
    """``text`` as a cell."""
    return f"'{text}" if text.startswith(FORMULA) and not _is_number(text) else text


def original(cell: str) -> str:
    """The text that ``safe`` made ``cell`` of."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
