"""Clips of a video, one after the other, from frames that come in their order.

Frames are cut to the size of the model as they come and are kept until the last clip that needs them:
memory is that of the clips that overlap, for videos of any length.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from torch import Tensor

from timesformer.datasets.transforms import CropSampler, cut, scale
from timesformer.video.timeline import Indices

Size = tuple[int, int]  # height and width of decoded frames
FrameKey = tuple[int, Size]  # place in the video, and the size from which it is cut


def crops_of(image: np.ndarray, size: Size, sample: CropSampler) -> Tensor:
    """The crops (V, 3, 1, S, S) of a picture (H, W, 3), which is first brought to ``size``."""
    if image.shape[:2] != size:
        image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
    crops = sample(*size)
    scaled = {side: scale(image, side) for side in {crop.short_side for crop in crops}}
    return torch.stack([cut([scaled[crop.short_side]], crop) for crop in crops])


@dataclass
class ForwardClips:
    """Hands over each clip as soon as its last frame has come.

    A stream may change its size midway: all frames of a clip get the size of its first one, as where it is
    read alone, or with ``one_size`` that of the first frame of all, as where all are read together.
    """

    crop: CropSampler  # V crops
    give: Callable[[int, tuple[Tensor, ...], tuple[FrameKey, ...]], None]  # number, T frames, keys
    reverse_channels: bool = False
    one_size: bool = False
    cut: Callable[[np.ndarray, Size, CropSampler], Tensor] = crops_of
    held: dict[FrameKey, Tensor] = field(default_factory=dict)  # (V, 3, 1, S, S) uint8

    def begin(self, rows: Mapping[int, Sequence[int]]) -> Indices:
        """The places that are wanted, sorted.

        Args:
            rows: number of a clip -> places of its frames, rising; no clip begins, or ends, before the
                one before it.
        """
        self.held.clear()
        self.rows = dict(rows)
        self.pending = deque(self.rows)
        self.sizes: dict[int, Size] = {}  # of clips of which a frame has come
        self.first_size: Size | None = None
        self.uses = Counter(place for row in self.rows.values() for place in set(row))
        return np.array(sorted(self.uses), dtype=np.int64)

    def take(self, place: int, image: np.ndarray) -> None:
        """A wanted frame, (H, W, 3) uint8 RGB."""
        size: Size = image.shape[:2]
        if self.one_size:
            size = self.first_size = self.first_size or size
        wanted = set()
        for number in self.pending:
            if self.rows[number][0] > place:
                break
            if place in self.rows[number]:
                wanted.add(self.sizes.setdefault(number, size))
        for each in wanted:
            crops = self.cut(image, each, self.crop)
            self.held[place, each] = crops.flip(1) if self.reverse_channels else crops
        while self.pending and self.rows[self.pending[0]][-1] <= place:
            self._give(self.pending.popleft())

    def _give(self, number: int) -> None:
        places, size = self.rows.pop(number), self.sizes.pop(number)
        keys = tuple((place, size) for place in places)
        frames = tuple(self.held[key] for key in keys)
        self.uses.subtract(set(places))
        for key in [key for key in self.held if not self.uses[key[0]]]:
            del self.held[key]
        self.give(number, frames, keys)
