"""The sound of a video, carried into a file that is written: copied where MP4 can hold it, else as AAC."""

import contextlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av

from timesformer.video.open_video import open_video

Timed: TypeAlias = "tuple[Fraction, av.Packet[Any]]"  # seconds, and what is heard then
IN_MP4 = {"aac", "mp3", "ac3", "eac3", "opus", "alac"}  # codecs whose packets are copied


class Sound:
    """The first sound track of a video file, up to a time at once; silent where there is none."""

    def __init__(self, container: "av.container.InputContainer", video: "av.VideoStream") -> None:
        tracks = container.streams.audio
        self.track = tracks[0] if tracks and tracks[0].codec_context is not None else None
        self.container = container
        start = video.start_time
        self.offset = Fraction(start or 0) * (video.time_base or 0)  # seconds of the first frame
        self.packets: Iterator[Timed] = iter(())
        self.next: Timed | None = None  # to be written; none before ``attach``

    def attach(self, stream: "av.VideoStream") -> None:
        """Add the track to the file that ``stream`` is written into."""
        if self.track is None:
            return
        target: Any = stream.container
        if self.track.codec_context.codec.canonical_name in IN_MP4:
            self.packets = self._copied(target.add_stream_from_template(self.track))
        else:
            rate = self.track.codec_context.sample_rate
            self.packets = self._encoded(target.add_stream("aac", rate=rate))
        self.target = target
        self.next = next(self.packets, None)

    def write_until(self, seconds: float) -> None:
        """Write what is heard before ``seconds`` after the first frame."""
        while self.next is not None and self.next[0] <= seconds:
            self.target.mux(self.next[1])
            self.next = next(self.packets, None)

    def _copied(self, stream: Any) -> Iterator[Timed]:
        for packet in self.container.demux(self.track):
            if packet.dts is None or packet.pts is None:
                continue
            base = packet.time_base
            shift = round(self.offset / base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = stream
            if packet.pts >= 0:
                yield packet.pts * base, packet

    def _encoded(self, stream: Any) -> Iterator[Timed]:
        assert self.track is not None
        for frame in self.container.decode(self.track):
            if frame.pts is None or frame.time_base is None:
                continue
            frame.pts -= round(self.offset / frame.time_base)
            if frame.pts >= 0:
                yield from self._timed(stream.encode(frame))
        yield from self._timed(stream.encode(None))

    @staticmethod
    def _timed(packets: Iterable["av.Packet[Any]"]) -> Iterator[Timed]:
        for packet in packets:
            yield Fraction(packet.pts or 0) * packet.time_base, packet


@contextlib.contextmanager
def open_sound(path: str | Path) -> Iterator[Sound]:
    """The sound of a video file.

    Raises:
        VideoError, av.FFmpegError, OSError: the file cannot be opened.
    """
    with open_video(path) as (container, stream):
        yield Sound(container, stream)


def with_sound(frames: "Iterable[av.VideoFrame]", sound: Sound) -> "Iterator[av.VideoFrame]":
    """``frames``, before each the sound up to its time, and after the last one what is left."""
    for frame in frames:
        if frame.pts is not None and frame.time_base is not None:
            sound.write_until(float(frame.pts * frame.time_base))
        yield frame
    sound.write_until(float("inf"))
