"""Inspect one video: decode all of it, believe nothing that its header says.

A video is a file, a folder of frames, a URL, or a member of a tar.

Imports no torch: every scan process imports this module, and a killed one is replaced.
"""

import hashlib
import os
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from timesformer.datasets.checks.frame_folders import inspect_folder
from timesformer.datasets.checks.stills import encode_jpeg, read_stills
from timesformer.datasets.checks.video_info import (
    DAMAGED,
    NO_FRAMES,
    PICTURES_AT,
    TRUNCATED,
    UNREADABLE,
    VideoInfo,
    picture,
    places,
)
from timesformer.io.terminal import printable
from timesformer.video.open_video import VideoError, decode_whole, open_video
from timesformer.video.packets import list_packets
from timesformer.video.reader import read_video
from timesformer.video.sources import open_binary
from timesformer.video.streams import display_matrix, read_header, remarks
from timesformer.video.timeline import Indices, Timeline

SLACK = 2  # frames that a sound file may lack: placeholders of packed AVIs, headers off by one
CHUNK = 1 << 20  # bytes
STRIP_AT = (0.1, 0.37, 0.63, 0.9)  # of the frames, the thumbnails of a strip
THUMBNAIL_HEIGHT = 72  # pixels
_DECODER_ERRORS = (av.FFmpegError, OSError, ValueError, MemoryError)


def inspect_video(path: str) -> VideoInfo:
    """What is found in the video at ``path``; one that cannot be read is a result, not an error."""
    cv2.setNumThreads(0)  # the scan's processes are the parallelism
    info = VideoInfo()
    try:
        if os.path.isdir(path):
            return inspect_folder(path)
        info = info._replace(content=content_hash(path))
        return _inspect(path, info)
    except VideoError as error:
        reason = str(error).removeprefix(f"{printable(path)}: ")
        return info._replace(problem=UNREADABLE, detail=reason)
    except _DECODER_ERRORS as error:
        return info._replace(problem=UNREADABLE, detail=_reason(error))


def content_hash(path: str | Path) -> str:
    """blake2b (16 bytes, as hex) of the whole file."""
    digest = hashlib.blake2b(digest_size=16)
    with open_binary(path) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


class _TimelineReady(Exception):
    """Ends a reader before it decodes; the argument is the timeline."""


def video_seconds(path: str) -> float:
    """How long a video is; no frame is decoded if the packets suffice.

    Raises:
        VideoError: it cannot be read.
    """

    def stop(timeline: Timeline) -> Indices:
        raise _TimelineReady(timeline)

    try:
        timeline = read_video(path, stop).timeline
    except _TimelineReady as ready:
        (timeline,) = ready.args
    return round(timeline.duration_seconds, 3)


def thumbnail_strip(path: str) -> bytes:
    """Four frames of a video side by side, as a JPEG file THUMBNAIL_HEIGHT pixels high.

    Raises:
        ValueError: no frame can be decoded.
    """
    return encode_jpeg(read_stills(path, STRIP_AT), height=THUMBNAIL_HEIGHT)


def _inspect(path: str, info: VideoInfo) -> VideoInfo:
    with open_video(path) as (container, stream):
        header = read_header(container, stream)
        promised = list_packets(container, stream, header).timeline.promised or 0
        tagged = float(_tagged_seconds(stream) or 0)
        codec = stream.codec_context.name
    wanted = places(promised, PICTURES_AT)
    images: list[np.ndarray] = []
    first: list[av.VideoFrame] = []

    def look(place: int, frame: "av.VideoFrame") -> None:
        if not first:
            first.append(frame)
        if promised and len(images) < len(wanted) and place >= wanted[len(images)]:
            images.append(frame.to_ndarray(format="gray"))

    timeline, errors = decode_whole(path, look)
    count = len(timeline.pts)
    info = info._replace(
        frames=count,
        header_frames=header.frames,
        fps=round(timeline.fps, 3),
        duration_seconds=round(timeline.duration_seconds, 3),
        width=first[0].width if first else 0,
        height=first[0].height if first else 0,
        codec=codec,
        picture=picture(images) if len(images) == len(PICTURES_AT) else "",
        remarks=_remarks(timeline, first[0]) if first else "",
    )
    unseen = (tagged - timeline.duration_seconds) * timeline.fps
    problem, detail = _judge(count, promised, unseen=unseen, errors=errors)
    return info._replace(problem=problem, detail=detail)


def _remarks(timeline: Timeline, frame: "av.VideoFrame") -> str:
    """``kind: detail; ...`` of what is unusual about a video that can be used."""
    found = remarks(timeline, transfer=int(frame.color_trc), matrix=display_matrix(frame))
    return "; ".join(f"{remark.kind}: {remark.detail.partition(';')[0]}" for remark in found)


def _judge(frames: int, promised: int, *, unseen: float, errors: list[str]) -> tuple[str, str]:
    """Kind and explanation of what is wrong, both empty for a sound file.

    ``unseen`` is the time between the last frame and the end that a tag of the track gives, in
    frames: it shows truncation where the header counts no frames (mkv).
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
