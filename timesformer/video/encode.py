"""Write H.264 videos, and smaller copies of videos (times kept, no sound)."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from timesformer.files import write_atomically
from timesformer.io.terminal import printable
from timesformer.video.decoding import Check, Decoder
from timesformer.video.open_video import VideoError, decode_whole, open_video

MOST_TICKS = 10_000_000  # a second: finer times of a container are rounded
QUALITY = {"crf": "20", "preset": "veryfast", "g": "30", "threads": "1"}  # a keyframe a second


class Output:
    """A binary file for ``av.open``; ``error`` is the first error of a write, which FFmpeg hides."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.seek, self.tell = file.seek, file.tell
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """As the file."""
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise


def write_h264(
    target: Path | Output,
    frames: "Iterable[av.VideoFrame]",
    *,
    options: dict[str, str],
    rate: Fraction | int | None = None,
    prepare: "Callable[[av.VideoStream], None]" = lambda stream: None,
) -> int:
    """Write H.264 video (MP4) in the size of the first of ``frames``; returns the number of frames.

    Args:
        target: the new file.
        frames: with times, or without any at a constant ``rate``.
        options: of libx264.
        rate: frames a second.
        prepare: called with the stream before the first frame is encoded.
    """
    count, stream = 0, None
    file = target if isinstance(target, Output) else str(target)
    with av.open(file, "w", format="mp4") as container:
        for frame in frames:
            if stream is None:
                stream = container.add_stream("libx264", rate=rate, options=options)
                stream.width, stream.height = frame.width, frame.height
                stream.pix_fmt = "yuv420p"
                if frame.time_base is not None:
                    stream.codec_context.time_base = frame.time_base
                prepare(stream)
            container.mux(stream.encode(frame))
            count += 1
        if stream is not None:
            container.mux(stream.encode(None))
    return count


def small_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Width and height with that short side, aspect kept, both even; never larger than before."""
    scale = min(short_side / min(width, height), 1.0)
    return max(round(width * scale / 2) * 2, 2), max(round(height * scale / 2) * 2, 2)


def reencode(
    source: str | Path, target: str | Path, *, short_side: int, time_limit: float = math.inf
) -> None:
    """``source`` as MP4 in ``target``, whole under a temporary name, then renamed.

    An existing ``target`` is complete, and is left as it is. Every frame that the decoder gives is
    kept, in its order and at its time; so is the display matrix, by which players turn the video.
    Sound is left out.

    Args:
        source: a local path, a URL, or a member of a tar.
        target: the new file.
        short_side: pixels.
        time_limit: seconds after which a slow file is given up.

    Raises:
        VideoError: there is no decodable frame, or it takes too long.
        WriteError: the target cannot be written.
    """
    deadline = time.monotonic() + time_limit

    def check() -> None:
        if time.monotonic() > deadline:
            raise VideoError(f"{printable(source)}: not re-encoded within {time_limit:g} seconds")

    if Path(target).exists():
        return
    with write_atomically(target, "wb", option="--out") as file:
        output = Output(file)
        try:
            _transcode(source, output, short_side, check)
        except (av.FFmpegError, OSError, ValueError) as error:
            if isinstance(error, VideoError):
                raise
            raise output.error or VideoError(
                f"{printable(source)}: cannot be re-encoded ({type(error).__name__}: {error}); "
                "replace the file, or remove it from the list"
            ) from error


def _transcode(source: str | Path, target: Output, short_side: int, check: Check) -> None:
    """Write every frame at its time."""
    matrix: list[int] = []

    def keep_matrix(_: int, frame: "av.VideoFrame") -> None:
        data: Any = frame.side_data.get("DISPLAYMATRIX")
        if data is not None:
            matrix[:] = np.frombuffer(data, np.int32).tolist()

    timeline, _ = decode_whole(source, keep_matrix, check=check)
    if not len(timeline.pts):
        raise VideoError(f"{printable(source)}: no decodable frame; remove it from the list")
    tick = Fraction(timeline.tick_seconds).limit_denominator(MOST_TICKS)
    earliest = min(int(timeline.pts[0]), 0)  # MP4 stores no times before 0
    with open_video(source) as (container, shown):
        frames = Decoder(container, shown).frames(check)
        first = next(frames)
        size = small_size(first.width, first.height, short_side)
        reformatter = VideoReformatter()  # one for all: making one takes longer than a frame

        def small_frames() -> "Iterator[av.VideoFrame]":
            for pts, frame in zip(timeline.pts.tolist(), chain([first], frames), strict=False):
                small = reformatter.reformat(frame, *size, "yuv420p", interpolation="AREA")
                small.pts, small.time_base = pts - earliest, tick
                small.pict_type = 0  # the encoder chooses keyframes, not the source
                yield small

        def prepare(stream: "av.VideoStream") -> None:
            _keep_colours(stream, first)
            if matrix:
                stream.set_display_matrix(matrix)

        rate = Fraction(timeline.fps).limit_denominator(1001)
        write_h264(target, small_frames(), options=QUALITY, rate=rate, prepare=prepare)


def _keep_colours(stream: "av.VideoStream", frame: "av.VideoFrame") -> None:
    """The same meaning of the same numbers: a copy of an HDR video says that it is one."""
    context = stream.codec_context
    context.colorspace, context.color_range = int(frame.colorspace), int(frame.color_range)
    context.color_primaries, context.color_trc = int(frame.color_primaries), int(frame.color_trc)
