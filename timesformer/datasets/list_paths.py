"""The rows of a list, and where their videos lie."""

import logging
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from timesformer.datasets import list_advice
from timesformer.datasets.folders import VIDEO_SUFFIXES
from timesformer.datasets.list_lines import ListRow, parse_row
from timesformer.datasets.list_text import (
    EncodingError,
    ListError,
    is_utf_8,
    numbered_lines,
    shown,
)
from timesformer.video.remote import is_url, join
from timesformer.video.shards import split_member

logger = logging.getLogger(__name__)


def located_rows(origin: Path, *, prefix: str, separator: str) -> Iterator[tuple[int, ListRow]]:
    """The numbered rows of a list, with paths as ``locate`` gives them.

    Raises:
        ListError: the first line that is not a row, and what the file seems to be.
    """
    for number, line in row_lines(origin, prefix=prefix, separator=separator):
        where = f"{origin}:{number}"
        try:
            row = parse_row(line, separator, where=where)
        except ListError as error:
            raise ListError(
                f"{error}{list_advice.explain_line(origin, line, prefix, separator)}"
            ) from None
        yield number, row._replace(path=find_video(row.path, line, origin, prefix, where=where))


def row_lines(origin: Path, *, prefix: str, separator: str) -> Iterator[tuple[int, str]]:
    """The numbered lines of a list that are not comments.

    A line that begins with # is a row if it names an existing file. Where not one file of the list
    exists, that says nothing: then a line as ``#name.mp4 3`` is a row too, and is found missing.

    Raises:
        ListError: see ``numbered_lines``; with a command that converts the file.
    """

    def is_there(line: str) -> bool:
        try:
            return _is_there(locate(parse_row(line, separator, "").path, prefix, origin.parent))
        except ListError:
            return False

    @cache
    def nothing_is_there() -> bool:
        return not is_url(prefix) and not any(is_there(line) for _, line in numbered_lines(origin))

    def is_row(line: str) -> bool:
        found = is_there(line) or (_is_named_video(line, separator) and nothing_is_there())
        if not found and _is_named_video(line, separator):
            logger.info("%s: %s is taken for a comment: there is no such file", origin, shown(line))
        return found

    try:
        yield from numbered_lines(origin, is_row=is_row)
    except EncodingError as error:
        advice = list_advice.command("list", origin, prefix, encoding=error.encoding)
        raise ListError(f"{error}, or run: {advice}") from None


def find_video(path: str, line: str, origin: Path, prefix: str, *, where: str) -> str:
    """Where the video of ``line`` lies, see ``locate``.

    Blanks around an unquoted path are part of it only if there is such a file.

    Raises:
        ListError: ``line`` is not UTF-8, and does not name an existing file by its bytes.
    """
    found = locate(path, prefix, origin.parent)
    if path != path.strip() and not line.startswith('"') and not _is_there(found):
        found = locate(path.strip(), prefix, origin.parent)
    if not is_utf_8(line) and not _is_there(found):
        raise ListError(f"{where}: {list_advice.explain_encoding(origin, line, prefix)}")
    return found


def _is_there(path: str) -> bool:
    """Whether a local file, or the tar of a member, exists."""
    return not is_url(path) and os.path.exists(split_member(path)[0])


def locate(
    path: str, prefix: str, folder: Path, *, exists: Callable[[str], bool] = os.path.exists
) -> str:
    """Where ``path`` of a list lies: under ``prefix``, else here, else in ``folder`` of the list.

    Whether a URL exists is not asked here, nor is a tar opened for one member.
    """
    if is_url(path) or is_url(prefix):
        return join(prefix, path)
    candidates = [os.path.join(prefix, path)] if prefix else [path, os.path.join(folder, path)]
    if "\\" in path and os.sep == "/":  # a list written on Windows
        candidates += [candidate.replace("\\", "/") for candidate in candidates]
    files = (exists(split_member(candidate)[0]) for candidate in candidates)
    return next((c for c, there in zip(candidates, files, strict=True) if there), candidates[0])


def _is_named_video(line: str, separator: str) -> bool:
    """Whether ``line`` reads as ``#name.mp4 3``, and not as a comment on a path or a URL."""
    try:
        path = parse_row(line.strip(), separator, "").path
    except ListError:
        return False
    is_video = os.path.splitext(path)[1].lower() in VIDEO_SUFFIXES
    return is_video and path[1:2] not in ("#", "/", "\\", " ", "\t") and not is_url(path[1:])
