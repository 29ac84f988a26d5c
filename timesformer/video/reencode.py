"""Write a video again, smaller: H.264 of a given short side, times kept, audio dropped."""

import os
from pathlib import Path

import av

from timesformer.opening import local_url, open_media
from timesformer.video.reader import VideoError

QUALITY = {"crf": "20", "preset": "veryfast", "g": "30", "threads": "1"}  # a keyframe a second


def small_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Width and height with that short side, aspect kept, both even; never larger than before."""
    scale = min(short_side / min(width, height), 1.0)
    return max(round(width * scale / 2) * 2, 2), max(round(height * scale / 2) * 2, 2)


def reencode(source: str | Path, target: str | Path, *, short_side: int) -> None:
    """``source`` as MP4 in ``target``, whole under a temporary name, then renamed.

    An existing ``target`` is complete, and is left as it is. Frames keep their times; a frame that
    cannot be decoded is left out.

    Raises:
        VideoError: there is no decodable frame, or the file cannot be written.
    """
    target = Path(target)
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    try:
        count = _transcode(source, partial, short_side)
        if not count:
            raise VideoError(f"{source}: no decodable frame; remove it from the list")
        os.replace(partial, target)
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, VideoError):
            raise
        raise VideoError(
            f"{source}: cannot be re-encoded ({type(error).__name__}: {error}); replace the file, or "
            "remove it from the list"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _transcode(source: str | Path, target: Path, short_side: int) -> int:
    """Number of frames written."""
    with (
        open_media(local_url(source), name=source) as reading,
        av.open(str(target), "w", format="mp4") as writing,
    ):
        if not reading.streams.video:
            raise VideoError(f"{source}: no video stream; remove it from the list")
        shown = reading.streams.video[0]
        stream = None
        last, count = None, 0
        for packet in reading.demux(shown):
            for frame in _decode(packet):
                if stream is None:
                    rate = shown.average_rate or shown.guessed_rate or 30
                    stream = writing.add_stream("libx264", rate=rate, options=QUALITY)
                    stream.width, stream.height = small_size(frame.width, frame.height, short_side)
                    stream.pix_fmt = "yuv420p"
                    stream.codec_context.time_base = shown.time_base
                if frame.pts is None or (last is not None and frame.pts <= last):
                    continue  # without a time of its own it cannot be placed
                last = frame.pts
                small = frame.reformat(stream.width, stream.height, "yuv420p", interpolation="AREA")
                small.pts, small.time_base = frame.pts, shown.time_base
                small.pict_type = 0  # the encoder chooses keyframes, not the source
                writing.mux(stream.encode(small))
                count += 1
        if stream is not None:
            writing.mux(stream.encode(None))
    return count


def _decode(packet: "av.Packet") -> "list[av.VideoFrame]":
    try:
        return packet.decode()
    except av.InvalidDataError:
        return []
