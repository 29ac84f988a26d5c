"""What can be watched, and how a connection to it is opened.

/dev/video0           a camera (Windows: its name as video=NAME; macOS: its number as camera:0)
rtsp://host/1         a stream of the network, also rtmp, srt, udp, rtp, http and https
-, or a FIFO          a pipe; -, and what a shell hands over as <(ffmpeg ...), ends once
film.mp4              a file, a folder of frames, a member of a tar, an object (s3://): as detect reads it
"""

import contextlib
import glob
import os
import re
import select
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import av

from timesformer.config import portable
from timesformer.io.opening import SourceError, open_live
from timesformer.io.terminal import printable, without_password
from timesformer.video.sources import is_local_file
from timesformer.video.streams import choose_stream

STDIN = "-"
_HANDED_OVER = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")  # by a shell: no second writer comes
LIVE = ("rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "rtp", "tcp", "http", "https")
FILES_TOO = ("http", "https")  # a server may give a whole file, which can be paced
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_CAMERA = re.compile(r"camera:([0-9]{1,3})|video=.+|/dev/video[0-9]+")
_SYSTEMS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}  # -> FFmpeg's name
_POLL_SECONDS = 0.05

Kind = Literal["file", "network", "camera", "pipe"]


class Source(NamedTuple):
    """A place that is watched."""

    name: str
    kind: Kind

    @property
    def is_live(self) -> bool:
        """Whether its frames come when they come; a file is read as fast as it is wanted."""
        return self.kind != "file"

    @property
    def reconnects(self) -> bool:
        """Whether there may be more after its end."""
        return self.is_live and not _is_handed_over(self.name)

    @property
    def shown(self) -> str:
        """Its name for people."""
        return printable(without_password(self.name))


def find_source(name: str, *, realtime: bool = False) -> Source:
    """What ``name`` means.

    Args:
        name: see above.
        realtime: it is a file, which is to be paced.

    Raises:
        SourceError: there is no such thing, or it cannot be paced.
    """
    found = Source(name, _kind(name, realtime))
    if realtime and found.is_live:
        raise SourceError(
            f"{found.shown} comes at its own pace; --realtime and --speed are for files"
        )
    if found.kind == "file" and is_local_file(name):
        path = portable(name)
        if not path.exists():
            raise SourceError(f"{printable(name)}: no such file; check the path")
        if realtime and path.is_dir():
            raise SourceError(
                f"{printable(name)} is a folder of frames, which has no pace; leave --realtime out"
            )
    return found


def _is_handed_over(name: str) -> bool:
    return name == STDIN or name.startswith(_HANDED_OVER)


def _kind(name: str, realtime: bool) -> Kind:
    scheme = _SCHEME.match(name)
    if name == STDIN:
        return "pipe"
    if scheme and scheme[1].lower() in LIVE:
        return "file" if realtime and scheme[1].lower() in FILES_TOO else "network"
    if _CAMERA.fullmatch(name):
        _require_camera(name)
        return "camera"
    if is_local_file(name) and portable(name).exists():
        mode = os.stat(portable(name)).st_mode
        return "pipe" if stat.S_ISFIFO(mode) else "camera" if stat.S_ISCHR(mode) else "file"
    return "file"


def _require_camera(name: str) -> None:
    if not name.startswith("/dev/") or os.path.exists(name):
        return
    there = sorted(glob.glob("/dev/video*"))
    which = f"there are {', '.join(there)}" if there else "there is no /dev/video* at all"
    raise SourceError(f"{name}: no such camera; {which}")


@contextlib.contextmanager
def connect(source: Source, stop: threading.Event, *, timeout: float) -> Iterator[Any]:
    """Open a live source: its container and video stream.

    Args:
        source: that is live.
        stop: ends the waiting.
        timeout: seconds without data after which a source of the network is given up.

    Raises:
        SourceError: no video stream, or a kind of source that FFmpeg lacks here.
        av.FFmpegError, OSError, ValueError: no connection.
    """
    av.logging.set_level(None)  # see ``read_video``
    with contextlib.ExitStack() as stack:
        container = stack.enter_context(_OPENERS[source.kind](source.name, stop, timeout, stack))
        stream = choose_stream(container)
        if stream is None or stream.codec_context is None:
            raise SourceError(f"{source.shown}: no video stream that can be decoded")
        stream.thread_type, stream.codec_context.thread_count = "SLICE", 1  # no frame is held back
        yield container, stream


def is_finite(container: "av.container.InputContainer") -> bool:
    """Whether a source of the network is a recording, which has an end."""
    return container.duration is not None and container.duration > 0


def _open_network(name: str, _: threading.Event, timeout: float, __: Any) -> Any:
    options = {"rtsp_transport": "tcp"} if name.lower().startswith("rtsp") else {}
    return open_live(name, name=name, options=options, timeout=timeout)


def _open_camera(name: str, _: threading.Event, timeout: float, __: Any) -> Any:
    system = _SYSTEMS.get(sys.platform, "v4l2")
    if not any(system in each.split(",") for each in av.formats_available):
        raise SourceError(
            f"{printable(name)}: this build of PyAV has no {system}, FFmpeg's reader of cameras; pipe "
            f"it instead: ffmpeg -f {system} -i {printable(name)} -f mpegts - | timesformer watch -"
        )
    place = name.removeprefix("camera:")
    return open_live(place, name=name, container_format=system, options={}, timeout=timeout)


def _open_pipe(name: str, stop: threading.Event, _: float, stack: contextlib.ExitStack) -> Any:
    pipe = stack.enter_context(contextlib.closing(Pipe(name, stop)))
    return open_live(pipe, name=name, options={}, timeout=None)  # type: ignore[arg-type]


_OPENERS: dict[str, Callable[[str, threading.Event, float, contextlib.ExitStack], Any]] = {
    "network": _open_network,
    "camera": _open_camera,
    "pipe": _open_pipe,
}


class Pipe:
    """Bytes of the standard input or of a FIFO as FFmpeg reads them; ``stop`` ends the waiting.

    A FIFO is waited for until it has a writer; it ends when that closes it.
    """

    def __init__(self, name: str, stop: threading.Event) -> None:
        self.stop = stop
        self.is_own = name != STDIN
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        self.file = os.open(name, flags) if self.is_own else sys.stdin.fileno()
        self.has_begun = _is_handed_over(name)

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, as soon as there are some; none: it has ended."""
        while not self.stop.is_set():
            if not self._is_ready():
                continue
            content = self._read(size)
            if content or (content is not None and self.has_begun):
                self.has_begun = True
                return content
            time.sleep(_POLL_SECONDS)  # a FIFO without a writer
        return b""

    def close(self) -> None:
        """Close a FIFO; the standard input is left as it is."""
        if self.is_own:
            os.close(self.file)

    def _is_ready(self) -> bool:
        if sys.platform == "win32":  # where select knows sockets only, and reading waits
            return True
        return bool(select.select([self.file], [], [], _POLL_SECONDS)[0])

    def _read(self, size: int) -> bytes | None:
        try:
            return os.read(self.file, size)
        except BlockingIOError:
            return None
