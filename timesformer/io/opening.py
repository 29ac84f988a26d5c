"""Opening of media files: the one way by which the project's decoders get at their bytes.

A local file is opened by FFmpeg's ``file`` protocol and its absolute path, so that no name is taken
for a protocol, a pattern or an option. Only regular files are opened: a pipe waits for a writer, a
device never ends. Playlists are refused before they open the files that they name.

Imports no torch: scan processes import this module.
"""

import os
import stat
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO, Any

import av

from timesformer.errors import InputError
from timesformer.io.terminal import printable

# FFmpeg's demuxers that open other files, hosts or devices
_FOREIGN = [
    "avisynth",
    "concat",
    "dash",
    "hls",
    "imf",
    "lavfi",
    "rtp",
    "rtsp",
    "sap",
    "sdp",
    "vapoursynth",
    "vobsub",
]
_SIGNATURES = {  # what stands in the first bytes of files that name others
    b"#EXTM3U": "an HLS playlist",
    b"ffconcat version": "an ffconcat playlist",
    b"<MPD": "a DASH playlist",
    b"c=IN IP": "an SDP description of a network stream",
    b"# VobSub index": "an index of subtitles",
}
_STREAMED = ("dash", "hls", "rtp", "rtsp", "sdp")  # of those, which a network may give
_NETWORK = "rtsp,rtsps,rtmp,rtmps,rtmpt,srt,udp,rtp,srtp,tcp,tls,http,https,httpproxy,crypto"
_HEAD = 4096  # bytes in which a signature is looked for
_KINDS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a pipe (FIFO)",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


class SourceError(InputError, OSError):
    """A place that cannot be read; the message names it, the reason and the remedy."""


def require_regular(path: str | Path) -> None:
    """Return if the local ``path`` is a regular file, which ends and never waits.

    Raises:
        FileNotFoundError: no such file.
        SourceError: it is a folder, a pipe, a socket or a device.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        kind = next((text for test, text in _KINDS.items() if test(mode)), "no regular file")
        raise SourceError(
            f"{printable(path)} is {kind}, but a regular file is wanted; copy it to a file first, or "
            "remove it from the list"
        )


def local_url(path: str | Path) -> str:
    """The address of a local file for FFmpeg, which takes bare names for URLs.

    Raises:
        FileNotFoundError: no such file.
        SourceError: it is not a regular file.
    """
    if not os.fspath(path):
        raise SourceError("the name of a file is empty; give its path")
    require_regular(path)
    return f"file:{os.path.abspath(path)}"


def open_media(source: "str | IO[bytes]", *, name: str | Path) -> "av.container.InputContainer":
    """The container of a ``local_url``, or of an open file; ``name`` is for messages.

    Raises:
        SourceError: it is a playlist.
        av.FFmpegError, OSError, ValueError: it cannot be opened.
    """
    protocol = "file" if isinstance(source, str) else "none"
    options = {
        "format_whitelist": _own_formats(),
        "protocol_whitelist": protocol,
        "pattern_type": "none",  # of image names: frame%03d.png is one file
    }
    try:
        return av.open(source, "r", metadata_errors="replace", container_options=options)
    except (av.FFmpegError, OSError, ValueError) as error:
        if kind := _foreign_kind(source):
            raise SourceError(
                f"{printable(name)} is {kind}, which names other files; give the video files themselves"
            ) from error
        raise


def open_live(
    source: "str | IO[bytes]",
    *,
    name: str,
    options: Mapping[str, str],
    timeout: float | None,
    container_format: str | None = None,
) -> "av.container.InputContainer":
    """The container of a stream: an address of the network, a camera, or an open pipe.

    Args:
        source: an address, or what ``read`` can be called of.
        name: for messages.
        options: of FFmpeg.
        timeout: seconds without data after which it is given up, None: never.
        container_format: of a camera; None: as the data say.

    A stream reaches no local file: playlists may name addresses of the network only.

    Raises:
        SourceError: it is a playlist, and none of the network.
        av.FFmpegError, OSError, ValueError: it cannot be opened.
    """
    is_address = isinstance(source, str) and container_format is None
    rules = {"protocol_whitelist": _NETWORK if is_address else "none"}
    if container_format is None:
        rules["format_whitelist"] = _live_formats() if is_address else _own_formats()
    try:
        return av.open(
            source,
            "r",
            format=container_format,
            metadata_errors="replace",
            container_options=rules | dict(options),
            timeout=timeout,
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        if container_format and isinstance(error, av.FFmpegError):
            raise SourceError(
                f"{printable(name)}: the camera cannot be opened ({error.strerror}); is another program "
                "using it, and may you read it?"
            ) from error
        raise


@cache
def _live_formats() -> str:
    """The demuxers that read a stream of the network, as FFmpeg's whitelist."""
    return ",".join([_own_formats(), *_STREAMED])


@cache
def _own_formats() -> str:
    """The demuxers that read one file alone, as FFmpeg's whitelist."""
    names = (name for name in av.formats_available if _can_read(name))
    return ",".join(sorted(set(names).difference(_FOREIGN)))


def _can_read(name: str) -> bool:
    try:
        return bool(av.ContainerFormat(name, "r").is_input)
    except ValueError:
        return False


def _foreign_kind(source: Any) -> str:
    """What a file that names other files is, in words; empty for any other file."""
    try:
        if isinstance(source, str):
            with open(source.removeprefix("file:"), "rb") as file:
                head = file.read(_HEAD)
        else:
            source.seek(0)
            head = source.read(_HEAD)
    except OSError:
        return ""
    return next((kind for mark, kind in _SIGNATURES.items() if mark in head), "")
