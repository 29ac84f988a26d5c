"""Windows of a video as clips, one after the other, while the video is decoded once.

Memory is that of the windows that overlap, for videos of any length.
"""

import contextlib
import threading
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from queue import Full, Queue
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from timesformer.datasets.transforms import CropSampler
from timesformer.detection.windows import Grid, Windows, window_frames
from timesformer.inference.forward_clips import ForwardClips, FrameKey
from timesformer.inference.forward_flow import ForwardFlow
from timesformer.video.frames import FrameSelector
from timesformer.video.timeline import Indices, Timeline
from timesformer.video.visit import Visited, Visitor

WAITING = 4  # clips that are read ahead
_POLL_SECONDS = 0.1


class Clip(NamedTuple):
    """The clip of one window."""

    number: int  # of the window
    frames: Tensor  # (V, 3, T, S, S) uint8, its crops
    scale: int = 0  # which of several lengths of windows


class FrameClip(NamedTuple):
    """The clip of one window as frames, which other windows have too; ``keys`` tell them apart."""

    number: int
    frames: tuple[Tensor, ...]  # T of (V, 3, 1, S, S) uint8
    keys: tuple[FrameKey, ...]
    scale: int = 0


class Restarted(NamedTuple):
    """The windows of the video; clips that came before it do not count."""

    windows: Windows
    timeline: Timeline
    errors: Sequence[str] = ()  # why packets could not be decoded
    scale: int = 0  # of the windows


Item = Clip | FrameClip | Restarted


@dataclass
class ClipMaker:
    """A visitor that hands over each window as soon as its last frame has come, see ``ForwardClips``."""

    grid: Grid
    select: FrameSelector  # of one view
    crop: CropSampler  # V crops
    give: Callable[[Item], None]
    reverse_channels: bool = False
    # Digest of all windows -> those that need not come.
    done: Mapping[str, Container[int]] = field(default_factory=dict)
    scale: int = 0  # of all that it gives
    shared: bool = False  # give frames that are not copied, ``FrameClip``
    forward: Callable[..., ForwardClips | ForwardFlow] = ForwardClips
    limit: Callable[[Timeline, Indices], Indices] = lambda timeline, indices: indices

    def __post_init__(self) -> None:
        self.clips = self.forward(self.crop, self._give, reverse_channels=self.reverse_channels)

    @property
    def held(self) -> Mapping[FrameKey, Tensor]:
        """The frames in memory."""
        return self.clips.held

    def begin(self, timeline: Timeline, errors: Sequence[str] = ()) -> Indices:
        found = window_frames(timeline, self.grid, self.select)
        windows = found._replace(indices=self.limit(timeline, found.indices))
        self.give(Restarted(windows, timeline, errors, self.scale))
        rows, done = windows.indices.tolist(), self.done.get(windows.digest, ())
        return self.clips.begin({k: row for k, row in enumerate(rows) if k not in done})

    def take(self, place: int, image: np.ndarray) -> None:
        self.clips.take(place, image)

    def _give(self, number: int, frames: tuple[Tensor, ...], keys: tuple[FrameKey, ...]) -> None:
        if self.shared:
            self.give(FrameClip(number, frames, keys, self.scale))
        else:
            self.give(Clip(number, torch.cat(frames, dim=2), self.scale))


class Together:
    """A visitor that shows several makers each frame that one of them wants, decoded once.

    Those after the first, whose windows are longer than the video, get nothing.
    """

    def __init__(self, makers: Sequence[ClipMaker]) -> None:
        self.makers = makers
        self.wanted: list[tuple[ClipMaker, set[int]]] = []

    def begin(self, timeline: Timeline, errors: Sequence[str] = ()) -> Indices:
        first, *others = self.makers
        fitting = [maker for maker in others if maker.grid.fits(timeline.duration_seconds)]
        self.wanted = [
            (maker, set(maker.begin(timeline, errors).tolist())) for maker in (first, *fitting)
        ]
        return np.array(sorted(set().union(*(places for _, places in self.wanted))), dtype=np.int64)

    def take(self, place: int, image: np.ndarray) -> None:
        for maker, places in self.wanted:
            if place in places:
                maker.take(place, image)


class Stopped(Exception):
    """Nobody wants further clips."""


def read_ahead(
    visit: Callable[[Visitor], Visited], make: Callable[[Callable[[Item], None]], Visitor]
) -> Iterator[Item | Visited]:
    """The items of a visit, which runs in a thread while they are used; the last one is its result.

    Raises what the visit raises.
    """
    line = _Line()

    def work() -> None:
        with contextlib.suppress(Stopped):
            try:
                line.give(visit(make(line.give)))
            except Stopped:
                raise
            except BaseException as error:
                line.give(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield from line
    finally:
        line.stop.set()
        thread.join()


class _Line:
    """Items from one thread to another, a few at once."""

    def __init__(self) -> None:
        self.queue: Queue[Item | Visited | BaseException] = Queue(WAITING)
        self.stop = threading.Event()

    def give(self, item: Item | Visited | BaseException) -> None:
        """Wait for a place; Stopped if nobody takes items any more."""
        while not self.stop.is_set():
            with contextlib.suppress(Full):
                self.queue.put(item, timeout=_POLL_SECONDS)
                return
        raise Stopped

    def __iter__(self) -> Iterator[Item | Visited]:
        item: Item | Visited | BaseException | None = None
        while not isinstance(item, Visited):
            item = self.queue.get()
            if isinstance(item, BaseException):
                raise item
            yield item
