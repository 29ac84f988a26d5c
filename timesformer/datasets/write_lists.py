"""Lists as files: train.csv, val.csv, test.csv and classes.txt, as training reads them."""

from collections.abc import Iterable, Sequence
from math import isnan
from pathlib import Path

from timesformer.datasets.annotations import LocatedClip
from timesformer.datasets.class_names import FILE
from timesformer.datasets.list_lines import ListRow, parse_row, quote
from timesformer.datasets.list_text import ListError
from timesformer.files import write_atomically
from timesformer.io.terminal import printable

Parts = dict[str, list[LocatedClip]]  # split -> its videos


def write_lists(out: Path, parts: Parts, names: Sequence[str]) -> None:
    """One CSV a split, paths relative to ``out`` where they lie in it; the class names, if known.

    Raises:
        ListError: a name that a line cannot hold.
        WriteError: a file cannot be written.
    """
    lines = {split: [_line(entry, out) for entry in entries] for split, entries in parts.items()}
    class_lines = [_class_line(name) for name in names]
    for split, of_split in lines.items():
        write_lines(out / f"{split}.csv", of_split)
    if names:
        write_lines(out / FILE, class_lines)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a whole text file or none, with line ends that are the same everywhere.

    Raises:
        WriteError: it cannot be written.
    """
    with write_atomically(path, newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)


def row_line(path: str, labels: Sequence[int], start: float, end: float) -> str:
    """The line that ``parse_row`` reads as this row; the path is quoted only where it must be.

    Raises:
        ListError: a path with a line end.
    """
    if "\n" in path or "\r" in path:
        raise ListError(
            f"{printable(path)}: a file name with a line end cannot be in a list; rename the file"
        )
    rest = ";".join(map(str, labels))
    if not isnan(start):
        rest += f" {_decimal(start)} {_decimal(end)}"
    line = f"{path} {rest}"
    if path.startswith("#") or not _is(line, path, labels, timed=not isnan(start)):
        line = f"{quote(path)} {rest}"
    return line


def _line(entry: LocatedClip, out: Path) -> str:
    path = entry.path.absolute()
    inside = path.is_relative_to(out.absolute())
    text = str(path.relative_to(out.absolute()) if inside else path)
    return row_line(text, entry.labels, entry.start, entry.end)


def _is(line: str, path: str, labels: Sequence[int], *, timed: bool) -> bool:
    """Whether ``line`` without quotes is read as this row, and as it always was."""
    try:
        row: ListRow = parse_row(line.strip(), " ", "")
    except ListError:
        return False
    same = row.path == path == path.strip() and row.labels == tuple(labels)
    return same and timed != isnan(row.start)


def _decimal(seconds: float) -> str:
    """The shortest decimal of ``seconds``, never with an exponent."""
    text = str(float(seconds))
    return text if "e" not in text else f"{seconds:.9f}"


def _class_line(name: str) -> str:
    """``name`` as a line of classes.txt; bytes that are not UTF-8 become escapes."""
    text = name.encode("utf-8", "backslashreplace").decode().strip()
    if not text or "\n" in text or "\r" in text:
        raise ListError(
            f"class '{printable(name)}' cannot be a line of {FILE}; rename the folder or the label"
        )
    return text
