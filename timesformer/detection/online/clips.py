"""Windows of a stream as clips: each as soon as a frame at or after its end has come.

A window takes its frames from those that are shown within it, as the same window of a recorded file
does. What is not known of a stream is its length and a count of frames in a header: a stream whose
frames come at a constant rate gives the clips of the file that it is a copy of.
"""

import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from timesformer.datasets.transforms import CropSampler
from timesformer.detection.timeline import Gap, in_gaps
from timesformer.detection.windows import Grid
from timesformer.inference.forward_clips import Size, crops_of
from timesformer.video.frames import FrameSelector
from timesformer.video.timeline import Timeline

_EVEN = 0.5 + 1e-6  # frames
_STEPS = 255  # between the newest frames, of which the median tells how long one is shown


class Began(NamedTuple):
    """Time begins, or begins anew, with the next window."""

    reason: str


class WholeWindow(NamedTuple):
    """The clip of one window, which is whole."""

    start: float  # seconds
    end: float
    frames: Tensor  # (V, 3, T, S, S) uint8: V crops
    is_unreadable: bool = False  # more than a tenth of it could not be decoded


class Over(NamedTuple):
    """The timeline ends here."""

    seconds: float


class Changed(NamedTuple):
    """Frames have another size, or come at another rate, from now on."""

    seconds: float
    what: str


Item = Began | WholeWindow | Over | Changed


class _Held(NamedTuple):
    ticks: int
    size: Size
    crops: dict[Size, Tensor]  # size of the first frame of a window -> (V, 3, 1, S, S)


class StreamClips:
    """A ``LiveVisitor`` that hands over each window as soon as it is whole.

    All frames of a window get the size of its first one, as in a file.

    Args:
        grid: of the windows.
        select: chooses the frames of one view.
        crop: the V crops.
        give: called with each ``Item``.
        reverse_channels: RGB to BGR.
    """

    def __init__(
        self,
        grid: Grid,
        select: FrameSelector,
        crop: CropSampler,
        give: Callable[[Item], None],
        *,
        reverse_channels: bool = False,
    ) -> None:
        self.grid, self.select, self.crop, self.give = grid, select, crop, give
        self.reverse_channels = reverse_channels
        self.held: deque[_Held] = deque()
        self.size: Size | None = None

    def begin(self, fps: float, tick_seconds: float, reason: str) -> None:
        self._close()
        self.fps, self.tick = fps, tick_seconds
        self.number = 0  # of the next window
        self.count = 0  # frames
        self.is_even = True
        self.sizes: dict[int, Size] = {}  # of windows of which a frame has come
        self.gaps: list[Gap] = []
        self.error = ""
        self.steps: deque[int] = deque(maxlen=_STEPS)  # ticks
        self.give(Began(reason))

    def lose(self, error: str) -> None:
        self.error = error

    def take(self, ticks: int, image: np.ndarray) -> None:
        size: Size = image.shape[:2]
        self._note_size(ticks, size)
        self._note_gap(ticks)
        if self.held:
            self.steps.append(ticks - self.held[-1].ticks)
        while ticks >= self._stop(self.number):
            self._give_next()
        self._note_rate(ticks)
        sizes = {size, *(self.sizes.setdefault(k, size) for k in self._open_at(ticks))}
        crops = {each: crops_of(image, each, self.crop) for each in sizes}
        self.held.append(_Held(ticks, size, crops))

    def finish(self) -> None:
        self._close()
        self.size = None

    def _close(self) -> None:
        """Hand over the windows that are whole now that no frame follows."""
        if not self.held:
            return
        frame = float(np.median(self.steps)) if self.steps else 1 / self.fps / self.tick
        seconds = (self.held[-1].ticks + frame) * self.tick
        while self.number < self.grid.count(seconds):
            self._give_next()
        self.give(Over(seconds))
        self.held.clear()

    def _note_size(self, ticks: int, size: Size) -> None:
        if self.size not in (None, size):
            assert self.size is not None
            (height, width), (was_high, was_wide) = size, self.size
            what = f"frames are {width} x {height} from now on; they were {was_wide} x {was_high}"
            self.give(Changed(ticks * self.tick, what))
        self.size = size

    def _note_rate(self, ticks: int) -> None:
        off = ticks * self.tick * self.fps - self.count
        if self.is_even and abs(off) > _EVEN:
            self.is_even = False
            what = f"frames do not come at {self.fps:g} a second any more; clips cover seconds from now on"
            self.give(Changed(ticks * self.tick, what))
        self.count += 1

    def _note_gap(self, ticks: int) -> None:
        if self.error and self.held:
            frame = 1 / self.fps
            end = self.held[-1].ticks * self.tick + frame
            if ticks * self.tick - end > frame:
                self.gaps.append(Gap(end, ticks * self.tick, self.error))
        self.error = ""

    def _first(self, number: int) -> int:
        """The first tick of a window."""
        return math.ceil(round(number * self.grid.stride / self.tick, 3))

    def _stop(self, number: int) -> int:
        """The first tick after a window."""
        return math.ceil(round((number * self.grid.stride + self.grid.span) / self.tick, 3))

    def _open_at(self, ticks: int) -> list[int]:
        """The windows, none of them handed over, that show a frame at ``ticks``."""
        found, number = [], self.number
        while self._first(number) <= ticks:
            if ticks < self._stop(number):
                found.append(number)
            number += 1
        return found

    def _give_next(self) -> None:
        number = self.number
        first, stop = self._first(number), self._stop(number)
        start = number * self.grid.stride
        shown = [frame for frame in self.held if first <= frame.ticks < stop]
        if shown:
            part = self._part(np.array([frame.ticks for frame in shown], np.int64) - first)
            chosen = [shown[i] for i in self.select(part)[0].tolist()]
        else:  # the frame before it is still shown
            before = [frame for frame in self.held if frame.ticks < first][-1]
            chosen = [before] * len(self.select(self._part(np.zeros(1, np.int64)))[0])
        size = self.sizes.pop(number, chosen[0].size)
        frames = torch.cat([frame.crops.get(size, frame.crops[frame.size]) for frame in chosen], 2)
        if self.reverse_channels:
            frames = frames.flip(1)
        end = start + self.grid.span
        lost = bool(in_gaps(np.array([[start, end]]), self.gaps)[0])
        self.number += 1
        self._forget()
        self.give(WholeWindow(start, end, frames, lost))

    def _part(self, ticks: np.ndarray) -> Timeline:
        return Timeline(ticks, self.fps, tick_seconds=self.tick, even=self.is_even)

    def _forget(self) -> None:
        """Drop what no later window shows; the last frame before it may be shown still."""
        first = self._first(self.number)
        while len(self.held) > 1 and self.held[1].ticks < first:
            self.held.popleft()
        begins = self.number * self.grid.stride
        self.gaps = [gap for gap in self.gaps if gap.end > begins]
