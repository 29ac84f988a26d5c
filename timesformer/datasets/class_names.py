"""Names of classes in the order of their labels: of the public data sets, and beside lists."""

from pathlib import Path

from timesformer.datasets.list_text import (
    ListError,
    guess_encoding,
    is_utf_8,
    read_text,
    text_lines,
)
from timesformer.errors import InputError
from timesformer.io.terminal import printable

FOLDER = Path(__file__).parent / "labels"  # {data set}.txt, a name a line
FILE = "classes.txt"  # beside train.csv, val.csv and test.csv


class ClassNamesError(InputError, ValueError):
    """Class names that cannot be used; the message names the file, the rule and the remedy."""


def class_names(given: str | Path) -> tuple[str, ...]:
    """The classes of a file or a public data set: ``class_names("kinetics400")[24]`` is "blowing glass".

    Raises:
        ClassNamesError: no such file or data set; the message lists those that ship with the package.
            Also those of ``read_class_names``.
    """
    if Path(given).is_file():
        return read_class_names(given)
    path = FOLDER / f"{given}.txt"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.txt")))
        raise ClassNamesError(
            f"no class names of {str(given)!r} ship with the package; it has {known}"
        )
    return read_class_names(path)


def names_beside(list_file: Path) -> tuple[str, ...]:
    """The names in ``classes.txt`` beside a list, none without that file; ClassNamesError as below."""
    path = list_file.with_name(FILE)
    return read_class_names(path) if path.is_file() else ()


def read_class_names(path: str | Path) -> tuple[str, ...]:
    """The names in a text file, a line each; the first line is class 0.

    Raises:
        ClassNamesError: the file cannot be read, is empty, or has a blank line or a name twice.
    """
    if not Path(path).is_file():
        raise ClassNamesError(f"class names {path} cannot be read: there is no such file")
    try:
        text = read_text(Path(path))
    except ListError as error:
        message = str(error).replace("list ", "class names ", 1)
        raise ClassNamesError(message) from error
    if not is_utf_8(text):
        encoding = guess_encoding(text.encode("utf-8", "surrogateescape"))
        raise ClassNamesError(
            f"class names {path}: not UTF-8, which is expected; the file seems to be {encoding}; "
            f"convert it: iconv -f {encoding} -t UTF-8 {path} > {FILE}.utf8"
        )
    names = tuple(line.strip() for line in text_lines(text.rstrip())) if text.strip() else ()
    if not names:
        raise ClassNamesError(
            f"{path} names no class; write a name a line, class 0 first, or delete it"
        )
    first: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if not name:
            raise ClassNamesError(
                f"{path}:{number}: a blank line; the line number is the label, so write a name there"
            )
        if name in first:
            raise ClassNamesError(
                f"{path}:{number}: '{printable(name)}' is on line {first[name]} too; give every "
                "class its own name"
            )
        first[name] = number
    return names
