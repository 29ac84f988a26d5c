"""One video to facts: decode all of it, believe nothing that its header says.

A video is a file, a folder of frames, a URL, or a member of a tar.

Imports no torch: every scan process imports this module, and a killed one is replaced.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import IO, NamedTuple, TypeVar

import av
import cv2
import numpy as np

from timesformer.opening import local_url, open_media, require_regular

SLACK = 2  # frames that a sound file may lack: placeholders of packed AVIs, headers off by one
PICTURES_AT = (0.25, 0.5, 0.75)  # of the frames, where ``picture`` looks
ROWS, COLUMNS = 8, 9  # of the cells of a picture
STRIP_AT = (0.1, 0.37, 0.63, 0.9)  # of the frames, the thumbnails of a strip
THUMBNAIL_HEIGHT = 72  # pixels
CHUNK = 1 << 20  # bytes
_DECODER_ERRORS = (av.FFmpegError, OSError, ValueError, MemoryError)

T = TypeVar("T")

UNREADABLE = "unreadable"
NO_FRAMES = "zero frames"
TRUNCATED = "truncated"
DAMAGED = "damaged"


class Facts(NamedTuple):
    """What a scan knows of a file; ``problem`` is empty, or a kind that ``detail`` explains."""

    frames: int = 0  # that the decoder really gives
    header_frames: int = 0  # that the header claims; 0: no claim
    fps: float = 0.0
    duration_seconds: float = 0.0  # that the header claims; without a claim, frames / fps
    width: int = 0
    height: int = 0
    codec: str = ""
    problem: str = ""
    detail: str = ""
    content: str = ""  # blake2b of the bytes
    picture: str = ""  # what is seen, see ``picture``


class _Packets(NamedTuple):
    """The demuxer's account: sorted presentation times, frames that are dropped on purpose."""

    pts: list[int]
    dropped: int
    error: str


def inspect_video(path: str) -> Facts:
    """Facts of the video at ``path``; one that cannot be read is a fact too, not an error."""
    cv2.setNumThreads(0)  # the scan's processes are the parallelism
    facts = Facts()
    try:
        if os.path.isdir(path):
            from timesformer.checks.frame_folders import inspect_folder  # imports torch

            return inspect_folder(path)
        facts = facts._replace(content=content_hash(path))
        with _open(path) as container:
            return _inspect(container, facts)
    except _DECODER_ERRORS as error:
        return facts._replace(problem=UNREADABLE, detail=_reason(error))


def content_hash(path: str | Path) -> str:
    """blake2b (16 bytes, as hex) of the whole file."""
    digest = hashlib.blake2b(digest_size=16)
    with _open_binary(str(path)) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def picture(images: Iterable[np.ndarray]) -> str:
    """What is seen in gray images (H, W): ROWS x COLUMNS mean brightnesses each, as hex, in order.

    Re-encoding and scaling change them by a few of 255 levels; other motion changes some by many.
    """
    small = [cv2.resize(image, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA) for image in images]
    return "".join(image.tobytes().hex() for image in small)


def thumbnail_strip(path: str) -> bytes:
    """Four frames of a video side by side, as a JPEG file THUMBNAIL_HEIGHT pixels high.

    Raises:
        ValueError: no frame can be decoded.
    """
    cv2.setNumThreads(0)
    if os.path.isdir(path):
        from timesformer.checks.frame_folders import folder_strip

        return folder_strip(path)
    with _open(path) as container:
        stream = container.streams.video[0]
        wanted = at_fractions(_list_packets(container, stream).pts, STRIP_AT)
        images: list[np.ndarray] = []
        for pts, frame in _decode(container, stream, []):
            if len(images) < len(wanted) and pts >= wanted[len(images)]:
                images.append(frame.to_ndarray(format="bgr24"))
            if len(images) == len(wanted):
                break
    return join_strip(path, images)


def join_strip(path: str, images: list[np.ndarray]) -> bytes:
    """BGR images of the video ``path`` side by side, as a JPEG file."""
    if not images:
        raise ValueError(f"{path}: no frame for a thumbnail; check the file")
    height, width = images[0].shape[:2]
    size = (max(width * THUMBNAIL_HEIGHT // height, 1), THUMBNAIL_HEIGHT)
    same = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images]
    _, jpeg = cv2.imencode(".jpg", np.hstack(same), [cv2.IMWRITE_JPEG_QUALITY, 70])
    return jpeg.tobytes()


@contextmanager
def _open(path: str) -> "Iterator[av.container.InputContainer]":
    if _is_elsewhere(path):
        with _open_binary(path) as file, open_media(file, name=path) as container:
            yield container
    else:
        with open_media(local_url(path), name=path) as container:
            yield container


def _open_binary(path: str) -> AbstractContextManager[IO[bytes]]:
    if _is_elsewhere(path):
        from timesformer.video.sources import open_binary  # imports torch

        return open_binary(path)
    require_regular(path)
    return open(path, "rb")


def _is_elsewhere(path: str) -> bool:
    """Whether ``path`` may be a URL or a member of a tar."""
    return "://" in path or "::" in path


def _inspect(container: "av.container.InputContainer", facts: Facts) -> Facts:
    if not container.streams.video:
        return facts._replace(problem=UNREADABLE, detail="no video stream")
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1
    packets = _list_packets(container, stream)
    wanted = at_fractions(packets.pts, PICTURES_AT)
    images: list[np.ndarray] = []
    last: int | None = None
    errors = [packets.error] * bool(packets.error)
    frames, size = 0, (stream.width or 0, stream.height or 0)
    for pts, frame in _decode(container, stream, errors):
        size = size if frames else (frame.width, frame.height)
        frames += 1
        last = pts if last is None else max(last, pts)
        if len(images) < len(wanted) and pts >= wanted[len(images)]:
            images.append(frame.to_ndarray(format="gray"))
    fps = float(stream.average_rate or stream.guessed_rate or 0)
    tick = stream.time_base or Fraction(0)
    claimed = stream.duration * tick if stream.duration else _tagged_seconds(stream)
    facts = facts._replace(
        frames=frames,
        header_frames=stream.frames or 0,
        fps=round(fps, 3),
        duration_seconds=round(float(claimed or (frames / fps if fps else 0)), 3),
        width=size[0],
        height=size[1],
        codec=stream.codec_context.name,
        picture=picture(images) if len(images) == len(PICTURES_AT) else "",
    )
    promised = max(len(packets.pts), facts.header_frames - packets.dropped)
    end = float(last * tick) if last is not None else 0.0
    tagged = float(_tagged_seconds(stream) or 0)
    problem, detail = _judge(frames, promised, unseen=(tagged - end) * fps, errors=errors)
    return facts._replace(problem=problem, detail=detail)


def _judge(frames: int, promised: int, *, unseen: float, errors: list[str]) -> tuple[str, str]:
    """Kind and explanation of what is wrong, both empty for a sound file.

    ``unseen`` is the time between the last frame and the end that a tag of the track gives, in
    frames: it tells of truncation where the header counts no frames (mkv).
    """
    because = f" ({errors[0]})" if errors else ""
    if not frames:
        return NO_FRAMES, f"none of {promised} frames can be decoded{because}"
    if frames + SLACK < promised:
        return TRUNCATED, f"{frames} of {promised} promised frames can be decoded{because}"
    if unseen > SLACK + 1:
        return TRUNCATED, f"the last {unseen:.0f} frames of the promised time are missing{because}"
    if errors:
        return DAMAGED, f"{len(errors)} decoder error(s), the first: {errors[0]}"
    return "", ""


def _list_packets(container: "av.container.InputContainer", stream: "av.VideoStream") -> _Packets:
    """What the file holds, without decoding; reading stops at the first error."""
    pts, dropped, problem = [], 0, ""
    try:
        for packet in container.demux(stream):
            time = packet.pts if packet.pts is not None else packet.dts
            if time is None:
                continue  # the flush at the end
            if packet.size == 0 or packet.is_discard:
                dropped += 1  # repeats of AVI files, edit lists of mp4 files
                continue
            pts.append(time)
    except _DECODER_ERRORS as error:
        problem = _reason(error)
    return _Packets(sorted(set(pts)), dropped, problem)


def _decode(
    container: "av.container.InputContainer", stream: "av.VideoStream", errors: list[str]
) -> "Iterator[tuple[int, av.VideoFrame]]":
    """Times and frames from the beginning; errors are appended and decoding goes on."""
    try:
        container.seek(0 if stream.start_time is None else stream.start_time, stream=stream)
    except _DECODER_ERRORS as error:
        errors.append(f"the beginning cannot be found: {_reason(error)}")
        return
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except _DECODER_ERRORS as error:
            errors.append(_reason(error))
            return
        try:
            for frame in packet.decode():
                if frame.pts is not None:
                    yield frame.pts, frame
        except _DECODER_ERRORS as error:
            errors.append(_reason(error))


def at_fractions(pts: list[T], fractions: tuple[float, ...]) -> list[T]:
    """The items at these fractions of a list, nothing of an empty one."""
    return [pts[int(fraction * len(pts))] for fraction in fractions] if pts else []


def _tagged_seconds(stream: "av.VideoStream") -> Fraction | None:
    """End of the track by its DURATION tag (H:MM:SS.f, Matroska); None without one."""
    try:
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
    except (KeyError, ValueError):
        return None


def _reason(error: BaseException) -> str:
    """An error without the path, which has a column of its own."""
    text = getattr(error, "strerror", None) or str(error)
    return f"{type(error).__name__}: {os.fsdecode(text) if isinstance(text, bytes) else text}"
