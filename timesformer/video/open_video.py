"""A video file that is opened, and all its frames in the decoder's order."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import av

from timesformer.errors import InputError
from timesformer.io.opening import SourceError, open_media
from timesformer.io.terminal import printable
from timesformer.video.decoding import Check, Decoder
from timesformer.video.sources import open_source
from timesformer.video.streams import choose_stream, read_header
from timesformer.video.timeline import Timeline, from_decoder

_DECODER_ERRORS = (av.FFmpegError, OSError, ValueError, MemoryError)


class VideoError(InputError, ValueError):
    """A video that cannot be read; the message names file, reason and remedy."""


@contextlib.contextmanager
def readable(path: str | Path) -> Iterator[None]:
    """Errors of opening and decoding ``path`` as VideoErrors that name it."""
    name = printable(path)
    try:
        yield
    except _DECODER_ERRORS as error:
        if isinstance(error, VideoError):
            raise
        if isinstance(error, SourceError):
            reason = str(error)
            raise VideoError(reason if name in reason else f"{name}: {reason}") from error
        raise VideoError(
            f"{name}: cannot be decoded ({type(error).__name__}: {error}); "
            "re-encode it or remove it from the list"
        ) from error


@contextlib.contextmanager
def open_video(
    path: str | Path, *, multi_thread: bool = False
) -> "Iterator[tuple[av.container.InputContainer, av.VideoStream]]":
    """The container and the video stream of a file, ready to decode.

    Raises:
        VideoError: no video stream, or no decoder knows its codec.
        av.FFmpegError, OSError, ValueError: the file cannot be opened.
    """
    name = printable(path)
    with open_source(path) as source, open_media(source, name=path) as container:
        stream = choose_stream(container)
        if stream is None:
            raise VideoError(f"{name}: no video stream; remove it from the list")
        if stream.codec_context is None:
            raise VideoError(f"{name}: no decoder knows its codec; re-encode it")
        stream.thread_type = "AUTO" if multi_thread else "SLICE"
        stream.codec_context.thread_count = 0 if multi_thread else 1
        yield container, stream


def decode_whole(
    path: str | Path,
    visit: "Callable[[int, av.VideoFrame], None]",
    *,
    check: Check = lambda: None,
    multi_thread: bool = False,
    promised: int = 0,
) -> tuple[Timeline, list[str]]:
    """Decode every frame in order; the timeline, and why packets could not be decoded.

    Args:
        path: as of ``read_video``.
        visit: called with the place of each frame and the frame.
        check: called after every packet; raises when the time is over.
        multi_thread: let the decoder use several cores.
        promised: frames that packets promise.

    Raises:
        VideoError, av.FFmpegError, OSError, ValueError: as ``open_video``.
    """
    times: list[int | None] = []
    with open_video(path, multi_thread=multi_thread) as (container, stream):
        header = read_header(container, stream)
        decoder = Decoder(container, stream)
        for frame in decoder.frames(check):
            visit(len(times), frame)
            times.append(frame.pts)
    return from_decoder(times, header, promised=max(promised, len(times))), decoder.errors
