"""What a file that is not a list seems to be, and the command that makes lists of it."""

import os
import re
import shlex
from itertools import islice
from pathlib import Path

from timesformer.datasets.folders import VIDEO_SUFFIXES
from timesformer.datasets.list_lines import parse_row, split_cells, unquote
from timesformer.datasets.list_text import (
    EncodingError,
    ListError,
    guess_encoding,
    is_utf_8,
    numbered_lines,
    read_text,
    shown,
    text_lines,
)
from timesformer.io.terminal import printable

PATH_COLUMNS = (
    "path", "dir", "file", "video", "video_path", "filename", "file_name", "filepath", "file_path",
    "video_name", "video_file", "clip", "clip_path", "name",
)  # fmt: skip
LABEL_COLUMNS = (
    "label", "class", "k400_index", "labels", "label_id", "class_id", "class_name", "label_name",
    "category", "target", "action",
)  # fmt: skip
DELIMITERS = (",", "\t", ";", " ")
SPLITS = ("train", "val", "test")
SAMPLE = 200  # lines that a guess looks at

_SUFFIXES = "|".join(sorted(suffix[1:] for suffix in VIDEO_SUFFIXES))
_NAMED = re.compile(
    rf"(?P<path>\"(?:[^\"]|\"\")+\"|.*?\.(?:{_SUFFIXES}))[\s,]+(?P<name>\S.*)",
    re.IGNORECASE | re.DOTALL,
)


def explain_line(file: Path, line: str, prefix: str, separator: str) -> str:
    """What ``file`` seems to be, since ``line`` is not a row; empty if that is unknown."""
    if line.startswith('"') and line.count('"') % 2:
        return (
            ". The quoted path does not end on its line; a file name with a line end cannot be in a "
            "list: rename the file"
        )
    first = next((text for _, text in numbered_lines(file)), "")
    if line == first:
        if is_kinetics_header(line):
            return ". The file seems to be an original Kinetics CSV; convert it: " + command(
                "kinetics", file, prefix
            )
        if line.lower().startswith("original_vido_id"):
            return (
                ". The file seems to be an SSv2 frame list; set TRAIN.DATASET and TEST.DATASET ssv2"
            )
        if is_header(line):
            return (
                ". The line seems to be a header, and lists have none; delete it, or convert the "
                f"file: {command('csv', file, prefix)}"
            )
        if _rows_follow(file, separator):
            return ". The line seems to be a header, and lists have none; delete it"
    if named_row(line):
        return (
            ". The label seems to be a name; labels are the numbers of the classes from 0; convert "
            f"the file: {command('list', file, prefix)}"
        )
    return ""


def explain_encoding(file: Path, line: str, prefix: str) -> str:
    """The message on a line that is not UTF-8."""
    encoding = guess_encoding(_wrong_bytes(file))
    text = os.fsencode(line).decode(encoding, errors="replace")
    return (
        f"the line is not UTF-8, which lists are expected to be, and no file has this name; the file "
        f"seems to be {encoding}, in which the line is {shown(text)}; convert it: "
        f"{command('list', file, prefix, encoding=encoding)}"
    )


def explain_labels(file: Path, num_classes: int, prefix: str, separator: str) -> str:
    """What to say of a list with a wrong label whose labels are from 1 to ``num_classes``."""
    labels: set[int] = set()
    for _, line in numbered_lines(file):
        try:
            labels.update(parse_row(line, separator, "").labels)
        except ListError:
            return ""
    if min(labels, default=0) != 1 or max(labels) != num_classes:
        return ""
    return (
        ". No video has label 0, so the labels seem to count from 1; they must count from 0: "
        + command("list", file, prefix, first_label=1)
    )


def command(
    form: str, file: Path, prefix: str, *, encoding: str = "utf-8", first_label: int = 0
) -> str:
    """The command line that converts ``file`` and those like it beside it, in ``form``."""
    lists = {split: file.with_name(f"{split}.csv") for split in SPLITS}
    if file.stem in SPLITS:
        lists = {s: path for s, path in lists.items() if path == file or _alike(path, file)}
    else:
        lists = {"train": file}
    words = [form, "--videos", prefix or str(file.parent)]
    if form == "kinetics":
        words += ["--annotations", *map(str, lists.values())]
    else:
        words += [word for split, path in lists.items() for word in (f"--{split}", str(path))]
    if encoding != "utf-8":
        words += ["--encoding", encoding]
    if first_label:
        words += ["--first-label", str(first_label)]
    if "train" not in lists or len(lists) == 1:
        words.append("--partial")
    folder = file.parent
    out = folder.with_name(f"{folder.name}-lists") if folder.name else folder / "lists"
    return printable("timesformer prepare " + shlex.join([*words, "--out", str(out)]))


def is_kinetics_header(line: str) -> bool:
    """Whether ``line`` names the columns of the published Kinetics CSV files."""
    return {"label", "youtube_id"} <= _columns(line)


def is_header(line: str) -> bool:
    """Whether ``line`` names a column of paths and one of labels."""
    columns = _columns(line)
    return not columns.isdisjoint(PATH_COLUMNS) and not columns.isdisjoint(LABEL_COLUMNS)


def named_row(line: str) -> tuple[str, str] | None:
    """Path and class name of a line that has a name where a list has a number."""
    for delimiter in (",", "\t"):
        cells = split_cells(line, delimiter)
        if len(cells) == 2 and all(map(str.strip, cells)):
            return cells[0], cells[1].strip()
    match = _NAMED.fullmatch(line.strip())
    return (unquote(match["path"]), unquote(match["name"])) if match else None


def _columns(line: str) -> set[str]:
    cells = max((split_cells(line, each) for each in DELIMITERS), key=len)
    return {cell.strip().lower() for cell in cells}


def _alike(path: Path, file: Path) -> bool:
    """Whether the list ``path`` beside ``file`` is of the same kind."""
    if not path.is_file():
        return False
    kind = _kind(path)
    return bool(kind) and kind == _kind(file)


def _kind(path: Path) -> tuple[str | bool, ...]:
    """The encoding of a list, whether its first line is a header, and of Kinetics; () if empty."""
    try:
        lines = list(islice((line for _, line in numbered_lines(path)), SAMPLE))
    except EncodingError as error:
        return (error.encoding,)
    except ListError:
        return ()
    utf_8 = "utf-8" if all(map(is_utf_8, lines)) else ""
    return (utf_8, is_header(lines[0]), is_kinetics_header(lines[0])) if lines else ()


def _rows_follow(file: Path, separator: str) -> bool:
    """Whether the second line is a row."""
    _, line = next(islice(numbered_lines(file), 1, None), (0, ""))
    try:
        return bool(parse_row(line, separator, ""))
    except ListError:
        return False


def _wrong_bytes(file: Path) -> bytes:
    lines = (line for line in text_lines(read_text(file)) if not is_utf_8(line))
    return b"\n".join(os.fsencode(line) for line in islice(lines, SAMPLE))
