"""Files of one place or another by one interface: local ones, and URLs through fsspec."""

import asyncio
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import fsspec

from timesformer.io.opening import SourceError, require_regular

BLOCK = 2**22  # bytes of one remote request; a clip of a few seconds is one or two
CACHED_BLOCKS = 16  # of one open file: demuxing reads it once, decoding finds it there

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: C:\ is a drive


def is_url(path: str | Path) -> bool:
    """Whether ``path`` is a URL, or a member of a tar that is one."""
    return bool(_URL.match(str(path)))


def join(prefix: str, path: str) -> str:
    """``path`` under the folder or URL ``prefix``; a URL or an absolute path stays what it is."""
    if is_url(path):
        return path
    if is_url(prefix):
        return f"{prefix.rstrip('/')}/{path.lstrip('/')}"
    return os.path.join(prefix, path)


def open_file(path: str, *, block: int = BLOCK) -> IO[bytes]:
    """A seekable binary file of a local path or URL."""
    if not is_url(path):
        require_regular(path)
        return open(path, "rb")
    system, name = fsspec.core.url_to_fs(path)
    options = {"maxblocks": CACHED_BLOCKS}
    file = system.open(name, "rb", block_size=block, cache_type="blockcache", cache_options=options)
    if getattr(file, "size", None) is None:  # of an HTTP stream, which only goes forwards
        file.close()
        raise SourceError(
            f"{path}: the server gives no size or no byte ranges; serve it from one that does, or "
            "copy it to local disk"
        )
    return file  # type: ignore[no-any-return]


def exists(path: str) -> bool:
    """Whether a local path or URL exists."""
    if not is_url(path):
        return os.path.exists(path)
    with foreign_errors(path):
        system, name = fsspec.core.url_to_fs(path)
        return bool(system.exists(name))


@contextmanager
def foreign_errors(path: str | Path) -> Iterator[None]:
    """Errors of fsspec and its back ends as SourceErrors; those of the system pass unchanged."""
    try:
        yield
    except ImportError as error:
        raise SourceError(
            f"{path}: {error}; install the fsspec package of this protocol (s3: pip install s3fs, "
            "gs: pip install gcsfs)"
        ) from error
    except _network_errors() as error:
        raise SourceError(
            f"{path}: {type(error).__name__}: {error}; check the address and the network"
        ) from error
    except ValueError as error:
        if "rotocol not known" not in str(error):
            raise
        raise SourceError(
            f"{path}: {error}; use a protocol that fsspec knows, as s3://, http:// or memory://"
        ) from error


def _network_errors() -> tuple[type[Exception], ...]:
    try:
        from aiohttp import ClientError
    except ImportError:
        return (asyncio.TimeoutError,)
    return (asyncio.TimeoutError, ClientError)
