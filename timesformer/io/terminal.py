"""Text of files and people on a terminal: names may hold anything, and must not steer it."""

import logging
import os
import re
import sys
import unicodedata
from typing import TextIO

_VERBOSITY = "TIMESFORMER_VERBOSITY"  # of the environment, which the processes of a run inherit
_PASSWORD = re.compile(r"(?<=://)[^/?#\s]*@")
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control, format (also text direction), surrogates, lines


def printable(text: object) -> str:
    r"""``text`` on one line, with control characters and lone surrogates as escapes (``\x1b``)."""
    return "".join(
        char.encode("unicode_escape", "surrogatepass").decode("ascii")
        if unicodedata.category(char) in _HIDDEN
        else char
        for char in str(text)
    )


def without_password(text: str) -> str:
    """``text`` with neither user nor password in its addresses: ``rtsp://me:secret@camera/1``."""
    return _PASSWORD.sub("", text)


def first_line(error: BaseException) -> str:
    """The beginning of a message that may be long, without what would steer a terminal."""
    return printable(str(error).strip().partition("\n")[0][:200])


class PrintableFormatter(logging.Formatter):
    """Log records of which every line is printable."""

    def format(self, record: logging.LogRecord) -> str:
        """The text, with escapes in place of control characters; line breaks are kept."""
        return "\n".join(map(printable, super().format(record).split("\n")))


def log_to_stderr(level: int) -> None:
    """Show log messages on the error stream, until a run sets up its own log."""
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter("%(message)s"))
    handler.of_this_run = True  # type: ignore[attr-defined]
    logging.basicConfig(level=level, handlers=[handler])


def width(text: str) -> int:
    """Columns that ``text`` takes on a terminal: two for a wide (Chinese, ...) character, 0 for marks."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def padded(text: str, columns: int, *, right: bool = False) -> str:
    """``text`` with blanks behind it, or before it if it is on the ``right``, up to ``columns``."""
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks


def verbosity() -> int:
    """1 with -v, -1 with -q, else 0; of this process and those that it starts."""
    return int(os.environ.get(_VERBOSITY, "0"))


def set_verbosity(level: int) -> None:
    """Set what ``verbosity`` returns from now on."""
    os.environ[_VERBOSITY] = str(level)


def hides_bars() -> bool:
    """Whether progress bars are not shown: nobody looks at the error stream, or -q."""
    return verbosity() < 0 or not sys.stderr.isatty()


def drop(stream: TextIO) -> None:
    """Discard output to a stream that nobody reads, so that closing it raises no error either."""
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
    except (OSError, ValueError):  # not a file of the system
        return
