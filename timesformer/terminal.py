"""Text of files and people on a terminal: names may hold anything, and must not steer it."""

import unicodedata

_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control, format (also text direction), surrogates, lines


def printable(text: object) -> str:
    r"""``text`` on one line, with control characters and lone surrogates as escapes (``\x1b``)."""
    return "".join(
        char.encode("unicode_escape", "surrogatepass").decode("ascii")
        if unicodedata.category(char) in _HIDDEN
        else char
        for char in str(text)
    )
