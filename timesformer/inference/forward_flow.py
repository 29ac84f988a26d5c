"""Clips of optical flow, or of colours and flow, from frames that come in their order.

As ``ForwardClips``: the clips are those that ``flow_clips`` and ``two_stream_clips`` cut. A field is
computed once, when the later of its two frames has come.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from timesformer.datasets.flow_clips import cut_field, scale_field
from timesformer.datasets.transforms import CropSampler, scaled_size
from timesformer.inference.forward_clips import ForwardClips, FrameKey, Size
from timesformer.video.flow import FieldMaker
from timesformer.video.timeline import Indices

Rows = Mapping[int, Sequence[Sequence[int]]]


class LastFields:
    """A maker of fields that does not compute again what it was just asked for.

    Clips of several lengths are made of the same frames: each asks for the same fields.
    """

    def __init__(self, maker: FieldMaker) -> None:
        self.maker = maker
        self.image: np.ndarray | None = None
        self.pair: tuple[object, object] | None = None

    def prepare(self, image: np.ndarray) -> object:
        """As of ``FieldMaker``."""
        if self.image is not image:
            self.image, self.prepared = image, self.maker.prepare(image)
        return self.prepared

    def between(self, first: object, second: object) -> np.ndarray:
        """As of ``FieldMaker``."""
        if self.pair is None or self.pair[0] is not first or self.pair[1] is not second:
            self.pair, self.field = (first, second), self.maker.between(first, second)
        return self.field


@dataclass
class ForwardFlow:
    """Hands over each clip as soon as the last frame of its fields has come; as ``ForwardClips``.

    A frame of another size than the one before it is brought to that size before the flow between both.
    """

    crop: CropSampler  # V crops
    give: Callable[[int, tuple[Tensor, ...], tuple[FrameKey, ...]], None]  # T of (V, C, 1, S, S)
    maker: FieldMaker | LastFields
    has_rgb: bool = False  # R, G, B before the fields
    reverse_channels: bool = False

    def __post_init__(self) -> None:
        self.fields = ForwardClips(self.crop, self._give, cut=self._crops_of)
        self.colors = ForwardClips(
            self.crop, self._keep_colors, reverse_channels=self.reverse_channels
        )

    @property
    def held(self) -> Mapping[FrameKey, Tensor]:
        """The fields in memory."""
        return self.fields.held

    def begin(self, rows: Rows) -> Indices:
        """The places that are wanted, sorted.

        Args:
            rows: number of a clip -> for each of its frames the place and the fields (T, 1 + L).
        """
        split = {number: np.array(row, dtype=np.int64) for number, row in rows.items()}
        flat = {number: row[:, 1:].ravel().tolist() for number, row in split.items()}
        frames = {n: row[:, 0].tolist() for n, row in split.items()} if self.has_rgb else {}
        self.stack = next((row.shape[1] - 1 for row in split.values()), 1)
        self.kept: dict[int, tuple[Tensor, ...]] = {}
        self.before: tuple[int, Size, object] | None = None  # the newest frame, prepared
        firsts, colored = self.fields.begin(flat), self.colors.begin(frames)
        self.firsts, self.colored = set(firsts.tolist()), set(colored.tolist())
        return np.unique(np.concatenate([firsts, firsts + 1, colored]))

    def take(self, place: int, image: np.ndarray) -> None:
        """A wanted frame, (H, W, 3) uint8 RGB."""
        self.frame_size: Size = image.shape[:2]
        if place in self.colored:
            self.colors.take(place, image)
        if place in self.firsts or place - 1 in self.firsts:
            self._take_second(place, image)

    def _take_second(self, place: int, image: np.ndarray) -> None:
        """Compute the field that ends here; the frame may begin the next one."""
        size: Size = image.shape[:2]
        prepared = self.maker.prepare(image)
        if self.before is not None and self.before[0] == place - 1 and place - 1 in self.firsts:
            _, old_size, first = self.before
            second = prepared
            if size != old_size:
                resized = cv2.resize(image, old_size[::-1], interpolation=cv2.INTER_LINEAR)
                second = self.maker.prepare(resized)
            self.fields.take(place - 1, self.maker.between(first, second))
        self.before = place, size, prepared

    def _keep_colors(
        self, number: int, frames: tuple[Tensor, ...], _: tuple[FrameKey, ...]
    ) -> None:
        self.kept[number] = frames

    def _give(self, number: int, fields: tuple[Tensor, ...], keys: tuple[FrameKey, ...]) -> None:
        starts = range(0, len(fields), self.stack)
        frames = [torch.cat(fields[start : start + self.stack], dim=1) for start in starts]
        if self.has_rgb:
            both = zip(self.kept.pop(number), frames, strict=True)
            frames = [torch.cat(pair, dim=1) for pair in both]
        self.give(number, tuple(frames), keys[:: self.stack])

    def _crops_of(self, field: np.ndarray, size: Size, sample: CropSampler) -> Tensor:
        """The crops (V, 2, 1, S, S) of a field (H, W, 2), which is first brought to ``size``."""
        if field.shape[:2] != size:
            field = scale_field(field, size).transpose(1, 2, 0)
        height, width = self.frame_size if self.has_rgb else size
        crops = sample(height, width)
        scaled = {
            side: scale_field(field, scaled_size(height, width, side))
            for side in {crop.short_side for crop in crops}
        }
        cut = np.stack([cut_field(scaled[crop.short_side], crop) for crop in crops])
        return torch.from_numpy(cut)[:, :, None]
