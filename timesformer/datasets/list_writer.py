"""Lists as files: train.csv, val.csv, test.csv and classes.txt, as training reads them."""

from collections.abc import Sequence
from math import isnan
from pathlib import Path

from timesformer.datasets.annotations import Entry
from timesformer.datasets.classes import FILE

Parts = dict[str, list[Entry]]  # split -> its videos


def write_lists(out: Path, parts: Parts, names: Sequence[str]) -> None:
    """One CSV a split, paths relative to ``out`` where they lie in it; the class names, if known."""
    out.mkdir(parents=True, exist_ok=True)
    for split, entries in parts.items():
        lines = [_line(entry, out) for entry in entries]
        write_lines(out / f"{split}.csv", lines)
    if names:
        write_lines(out / FILE, names)


def write_lines(path: Path, lines: Sequence[str]) -> None:
    """Write a whole file or none."""
    partial = path.with_suffix(".partial")
    text = "".join(f"{line}\n" for line in lines)
    partial.write_text(text, encoding="utf-8", errors="surrogateescape")
    partial.replace(path)


def _line(entry: Entry, out: Path) -> str:
    path = entry.path.absolute()
    inside = path.is_relative_to(out.absolute())
    text = str(path.relative_to(out.absolute()) if inside else path)
    line = f"{text} {';'.join(map(str, entry.labels))}"
    return line if isnan(entry.start) else f"{line} {entry.start} {entry.end}"
