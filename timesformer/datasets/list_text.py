"""The lines of list files: how they end, which of them are comments, and how they are encoded."""

import codecs
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from timesformer.errors import InputError
from timesformer.io.terminal import printable

SHOWN = 120  # characters of a line in a message

_LINE_END = re.compile(r"\r\n|\n|\r")  # and not what str.splitlines takes for one: U+2028, U+0085
_KANA = re.compile(rb"[\x82\x83][\x40-\xfc]")  # Shift JIS
_CYRILLIC = re.compile(rb"[\xc0-\xff]{3}")  # a word of cp1251; accented letters stand alone


class ListError(InputError, ValueError):
    """An annotation list that cannot be used; the message names file, line, rule and remedy."""


class EncodingError(ListError):
    """A file that is not UTF-8; ``encoding`` is what it seems to be."""

    def __init__(self, message: str, encoding: str) -> None:
        super().__init__(message)
        self.encoding = encoding


def numbered_lines(
    path: Path, *, encoding: str = "utf-8", is_row: Callable[[str], bool] = lambda line: False
) -> Iterator[tuple[int, str]]:
    """Numbered lines with something on them, without their ends; a byte-order mark is dropped.

    Args:
        path: a text file.
        encoding: in UTF-8, bytes that are not UTF-8 are kept as surrogates: a file name may have them.
        is_row: whether a line that begins with # is more than a comment.

    Raises:
        ListError: the file does not exist, cannot be read, or is not text of this encoding.
    """
    for number, line in enumerate(text_lines(read_text(path, encoding)), start=1):
        if line.strip() and (not line.lstrip().startswith("#") or is_row(line)):
            yield number, line


def text_lines(text: str) -> list[str]:
    r"""The lines of ``text``; only \n, \r\n and \r end one."""
    return _LINE_END.split(text)


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """The text of a list, see ``numbered_lines``."""
    if not path.is_file():
        raise ListError(
            f"list {path} does not exist; put it there, or set DATA.PATH_TO_DATA_DIR to the folder "
            "of train.csv, val.csv and test.csv"
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ListError(f"list {path} cannot be read: {error}") from error
    if data.startswith(b"PK\x03\x04"):
        raise ListError(f"list {path} is an Excel workbook or a zip file; save it as CSV, UTF-8")
    if codecs_name(encoding, path) != "utf-8":
        try:
            return data.decode(encoding).removeprefix("\ufeff")
        except UnicodeError as error:
            raise ListError(f"list {path} is not {encoding}: {error}") from error
    if utf_16 := _utf_16(data):
        raise EncodingError(
            f"list {path} is UTF-16, as PowerShell's > writes; save it as UTF-8", utf_16
        )
    return data.decode("utf-8-sig", errors="surrogateescape")


def codecs_name(encoding: str, path: Path) -> str:
    """The normal name of ``encoding``, or an error."""
    try:
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise ListError(
            f"list {path}: unknown encoding {encoding!r}; write it as utf-8, gbk, cp1252 or utf-16"
        ) from error


def is_utf_8(text: str) -> bool:
    """Whether ``text``, as ``read_text`` gives it, had no other bytes than those of UTF-8."""
    return text.isascii() or not any("\udc80" <= char <= "\udcff" for char in text)


def guess_encoding(data: bytes) -> str:
    """The likeliest encoding of text that is not UTF-8; a guess, for advice."""
    if _KANA.search(data) and _decodes(data, "shift_jis"):
        return "shift_jis"
    if _decodes(data, "gb2312"):
        return "gbk"
    if _CYRILLIC.search(data) and _decodes(data, "cp1251"):
        return "cp1251"
    return "cp1252" if _decodes(data, "cp1252") else "latin-1"


def shown(line: str) -> str:
    """``line`` for a message: quoted, cut, and without control characters."""
    return f"'{printable(line[:SHOWN])}{'...' if len(line) > SHOWN else ''}'"


def _utf_16(data: bytes) -> str:
    """utf-16 (with a mark), utf-16-le or utf-16-be (by its zeros), or empty."""
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        half, other = data[first:4096:2], data[1 - first : 4096 : 2]
        if half.count(0) > len(half) / 2 and other.count(0) < len(other) / 8:
            return name
    return ""


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
