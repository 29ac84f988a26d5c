"""The frames of ``reader.read_video``, decoded by torchcodec, on a CPU or by NVDEC.

The timeline comes from the same list of packets as PyAV's, so the same indices are chosen; torchcodec
then decodes them by number. It is used only for files in which its frames are known to be those of
the decoder's output: containers that find every packet by its time (MP4, Matroska), with sound times,
that start at a keyframe and are not to be turned. PyAV reads all others, and any file of which
torchcodec gives another count of frames, a frame of another time, or an error.

Pixels on a CPU are PyAV's, bit by bit, for 8-bit H.264, H.265 and AV1; MPEG-4 differs by 2 grey
levels at most (another release of its decoder), 10-bit video by 3 on average (colour is enlarged to
full size without interpolation). The GPU converts colours by its own arithmetic.
"""

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from timesformer.errors import InputError
from timesformer.io.opening import open_media
from timesformer.video import streams
from timesformer.video.frames import Frames, FrameSelector, choose_frames, require_memory
from timesformer.video.packets import list_packets
from timesformer.video.reader import read_video
from timesformer.video.sources import open_source
from timesformer.video.streams import choose_stream
from timesformer.video.timeline import Timeline

INDEXED = ("mov", "matroska", "webm")  # containers (FFmpeg's names) that find a packet by its time
_ERRORS = (av.FFmpegError, OSError, RuntimeError, ValueError, IndexError, MemoryError)


class BackendError(InputError, RuntimeError):
    """A decoder that this machine lacks; the message names what to install or set."""


class _UnsuitedError(ValueError):
    """torchcodec's frames would not be those of PyAV."""


class _Description(NamedTuple):
    timeline: Timeline
    pts: np.ndarray  # (N,) ticks of the frames, as torchcodec gives them
    time_base: float  # seconds of a tick
    stream: int  # number of the video stream in the file
    transfer: int  # characteristics, as FFmpeg counts them


def read_torchcodec(
    path: str | Path,
    select: FrameSelector,
    *,
    multi_thread: bool = False,
    time_limit: float = math.inf,
    apply_rotation: bool = False,
    device: str = "cpu",
) -> Frames:
    """As ``reader.read_video``, which also says what is raised.

    Args:
        path: the file: a local path, a URL, or a member of a tar.
        select: called with the timeline; again, if PyAV has to read the file.
        multi_thread: let the decoder use several cores.
        time_limit: seconds, where PyAV has to read the file.
        apply_rotation: as there; PyAV reads files that are to be turned.
        device: cpu, or cuda:N for NVDEC; the frames end on the CPU.

    Raises:
        VideoError: PyAV cannot read the file either.
        BackendError: torchcodec, FFmpeg or CUDA is missing.
    """
    check_torchcodec(device)
    try:
        return _read(path, select, num_threads=0 if multi_thread else 1, device=device)
    except BackendError:
        raise
    except _ERRORS as error:
        # PyAV reads what is left of a damaged file, or says what is wrong with it.
        reason = (
            str(error) if isinstance(error, _UnsuitedError) else f"{type(error).__name__}: {error}"
        )
    frames = read_video(
        path,
        select,
        multi_thread=multi_thread,
        time_limit=time_limit,
        apply_rotation=apply_rotation,
    )
    return replace(frames, fallback=f"{path}: {reason}") if device != "cpu" else frames


def check_torchcodec(device: str = "cpu") -> None:
    """Return if videos can be decoded on ``device``.

    Raises:
        BackendError: torchcodec, FFmpeg or CUDA is missing.
    """
    _decoder_class()
    if device != "cpu":
        import torch

        if not torch.cuda.is_available():
            raise BackendError(
                "DATA.DECODING_DEVICE is 'cuda', but this machine has no GPU that torch can use; "
                "set it to cpu"
            )


@cache
def _decoder_class() -> Any:
    try:
        from torchcodec.decoders import VideoDecoder  # type: ignore[attr-defined]
    except (ImportError, OSError, RuntimeError) as error:  # the last two: no FFmpeg libraries
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise BackendError(
            f"DATA.DECODING_BACKEND is 'torchcodec', but it cannot be loaded ({reason[0]}); "
            "install it (pip install -e '.[codec]') and the FFmpeg libraries (apt install ffmpeg), "
            "or set DATA.DECODING_BACKEND pyav"
        ) from error
    return VideoDecoder


def _read(path: str | Path, select: FrameSelector, *, num_threads: int, device: str) -> Frames:
    """The chosen frames; one of ``_ERRORS`` if PyAV has to read the file."""
    with open_source(path) as source:
        described = _describe(source, name=path)
        if not isinstance(source, str):
            source.seek(0)
        decoder = _decoder_class()(
            source,
            stream_index=described.stream,
            dimension_order="NHWC",
            num_ffmpeg_threads=num_threads,
            device=device,
        )
        frames = _fetch(decoder, described, select)
        # torchcodec itself turns to the CPU where NVDEC does not know a codec
        status = getattr(decoder, "cpu_fallback", None) if device != "cpu" else None
        return replace(frames, fallback=f"{path}: {status}") if status else frames


def _describe(source: Any, *, name: str | Path) -> _Description:
    """Timeline and stream by PyAV, of a file that torchcodec reads in the same order."""
    with open_media(source, name=name) as container:
        stream = choose_stream(container)
        if stream is None or stream.codec_context is None:
            raise _UnsuitedError("no video stream")
        if not set(container.format.name.split(",")) & set(INDEXED):
            raise _UnsuitedError(f"{container.format.name} does not find a packet by its time")
        packets = list_packets(container, stream, streams.read_header(container, stream))
        if packets.irregular or len(packets.head):
            raise _UnsuitedError(packets.irregular or "it starts inside a group of pictures")
        return _Description(
            packets.timeline,
            packets.shown,
            float(stream.time_base or 0),
            stream.index,
            int(stream.codec_context.color_trc),
        )


def _fetch(decoder: Any, described: _Description, select: FrameSelector) -> Frames:
    """The frames that ``select`` chooses, if torchcodec's are those that are listed."""
    timeline = described.timeline
    if getattr(decoder.metadata, "rotation", None):
        raise _UnsuitedError("it has rotation metadata")
    if not len(timeline.pts) or len(decoder) != len(timeline.pts):
        raise _UnsuitedError(f"{len(decoder)} frames instead of {len(timeline.pts)}")
    chosen = choose_frames(timeline, select)
    require_memory(len(chosen.unique), decoder.metadata.width, decoder.metadata.height)
    batch = decoder.get_frames_at(chosen.unique.tolist())
    pts = np.rint(batch.pts_seconds.numpy() / described.time_base).astype(np.int64)
    if not np.array_equal(pts, described.pts[chosen.unique]):
        raise _UnsuitedError("frames of other times than listed")
    return chosen.frames(
        batch.data.cpu().numpy(),
        remarks=streams.remarks(timeline, transfer=described.transfer, matrix=None),
    )
