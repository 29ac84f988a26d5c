"""Which clips of a video a split takes: random ones, or fixed views; frames first, then crops."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from timesformer.datasets.transforms import CropSampler, random_crop, uniform_crop
from timesformer.video import VideoError, sampling
from timesformer.video.frames import FrameSelector
from timesformer.video.remarks import TRUNCATED, Remark
from timesformer.video.sampling import Part
from timesformer.video.timeline import Indices, Timeline

LEAST_SHARE = 0.9  # of the frames that a header promises; a few less are its rounding


@dataclass(frozen=True)
class DenseSampling:
    """Clips at a frame rate (Kinetics)."""

    shape: sampling.ClipShape

    @property
    def num_frames(self) -> int:
        """T."""
        return self.shape.num_frames

    def shortage(self, timeline: Timeline) -> Remark | None:
        """What a video lacks: frames that its header promises, or those of a clip; None: nothing."""
        count, promised = len(timeline.pts), timeline.promised or 0
        if count < LEAST_SHARE * promised:
            return Remark(TRUNCATED, f"{count} of {promised} frames can be decoded")
        kind, span = (
            f"shorter than a clip of {self.shape.seconds:.1f} s",
            self.shape.span(timeline.fps),
        )
        if timeline.is_even and count < math.floor(span):
            return Remark(kind, f"{count} of {span:.0f} frames; its last frame is repeated")
        length = timeline.duration_seconds
        if not timeline.is_even and length < self.shape.seconds - timeline.frame_seconds:
            return Remark(kind, f"{length:.1f} s; its last frame is repeated")
        return None

    def random(self, rng: np.random.Generator) -> FrameSelector:
        place = sampling.random_place(rng.random())
        return lambda timeline: sampling.clip_indices(timeline, self.shape, place)[None]

    def parts(self, num_views: int, placement: str) -> list[Part]:
        """Names of temporal views; those of one name are the same clip of any video."""
        return [sampling.view_part(view, num_views, placement) for view in range(num_views)]

    def views(self, parts: Sequence[Part]) -> FrameSelector:
        places = [sampling.part_place(part) for part in parts]
        return lambda timeline: np.stack(
            [sampling.clip_indices(timeline, self.shape, place) for place in places]
        )


@dataclass(frozen=True)
class SegmentSampling:
    """One frame from each of T equal parts of the video (SSv2)."""

    num_frames: int

    def shortage(self, timeline: Timeline) -> Remark | None:
        """As ``DenseSampling.shortage``: fewer frames than segments."""
        count = len(timeline.pts)
        if count >= self.num_frames:
            return None
        return Remark(
            f"shorter than {self.num_frames} frames", f"{count} frames; some are repeated"
        )

    def random(self, rng: np.random.Generator) -> FrameSelector:
        offsets = rng.random(self.num_frames)
        return lambda timeline: sampling.segment_indices(
            len(timeline.pts), self.num_frames, offsets=offsets
        )[None]

    def parts(self, num_views: int, placement: str) -> list[Part]:
        """As ``DenseSampling.parts``; placements do not differ."""
        return [Part(view, num_views) for view in range(num_views)]

    def views(self, parts: Sequence[Part]) -> FrameSelector:
        return lambda timeline: np.stack(
            [
                sampling.segment_view_indices(len(timeline.pts), self.num_frames, *part)
                for part in parts
            ]
        )


@dataclass(frozen=True)
class Train:
    """Random clips, each with a crop; a video that breaks is replaced by another and reported."""

    sampling: DenseSampling | SegmentSampling
    jitter: tuple[int, int]
    crop: int
    flip: bool
    inverse: bool
    replaces: bool = True
    num_repeats: int = 1
    label_per_video = False
    rows = (slice(None),)

    @property
    def num_clips(self) -> int:
        """Clips of one video."""
        return self.num_repeats

    def draw(self, rng: np.random.Generator) -> tuple[FrameSelector, CropSampler]:
        selects = [self.sampling.random(rng) for _ in range(self.num_repeats)]

        def select(timeline: Timeline) -> Indices:
            return np.concatenate([one(timeline) for one in selects])

        return select, lambda height, width: [
            random_crop(
                height,
                width,
                jitter=self.jitter,
                size=self.crop,
                flip=self.flip,
                inverse=self.inverse,
                rng=rng,
            )
        ]


@dataclass(frozen=True)
class Views:
    """Fixed temporal views and crops; clip = temporal view * len(crops) + crop.

    With ``others`` the temporal views of further placements follow, those that are not there yet.
    """

    sampling: DenseSampling | SegmentSampling
    num_views: int
    placement: str
    short_side: int
    crop: int
    crops: tuple[int, ...]  # 0 start, 1 centre, 2 end of the longer side
    replaces: bool = False
    others: tuple[str, ...] = ()  # placements
    label_per_video = True

    @property
    def parts(self) -> tuple[Part, ...]:
        """All temporal views, each once."""
        return tuple(dict.fromkeys(part for parts in self._placed for part in parts))

    @property
    def rows(self) -> tuple[list[int], ...]:
        """Which temporal views are those of each placement, in their order."""
        return tuple([self.parts.index(part) for part in parts] for parts in self._placed)

    @property
    def orders(self) -> dict[str, tuple[int, ...]]:
        """Placement -> which clips of a video are its own, in their order."""
        each = len(self.crops)
        return {
            placement: tuple(row * each + crop for row in rows for crop in range(each))
            for placement, rows in zip((self.placement, *self.others), self.rows, strict=True)
        }

    @property
    def num_clips(self) -> int:
        """Clips of one video."""
        return len(self.parts) * len(self.crops)

    @property
    def _placed(self) -> list[list[Part]]:
        placements = self.placement, *self.others
        return [self.sampling.parts(self.num_views, placement) for placement in placements]

    def draw(self, rng: np.random.Generator) -> tuple[FrameSelector, CropSampler]:
        select = self.sampling.views(self.parts)
        return select, lambda height, width: [
            uniform_crop(height, width, short_side=self.short_side, size=self.crop, index=index)
            for index in self.crops
        ]


def select_within(select: FrameSelector, start: float, end: float, *, name: str) -> FrameSelector:
    """``select`` on the part [``start``, ``end``) seconds of the video ``name``.

    Raises, when called:
        VideoError: the video has no frame there.
    """

    def select_part(timeline: Timeline) -> Indices:
        part, first = sampling.cut(timeline, start, end)
        if not len(part.pts):
            raise VideoError(
                f"{name}: no frame from {start:g} to {end:g} seconds; correct the times in the list"
            )
        return select(part) + first

    return select_part
