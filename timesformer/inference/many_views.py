"""A video of many views, scored while it is decoded: its clips are never in memory together.

The same frames, crops and forward batches as where all clips of the video are cut first, and so the same
scores to the bit; but no loader processes, and no time limit: DATA.DECODE_TIMEOUT is one of reading alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from timesformer.config import CfgNode
from timesformer.datasets.build import build_view
from timesformer.datasets.folders import is_image
from timesformer.datasets.lists import VideoList
from timesformer.datasets.transforms import CropSampler
from timesformer.datasets.views import DenseSampling, Views, select_within
from timesformer.evaluation.scoring import Scoring
from timesformer.inference.forward_clips import ForwardClips, FrameKey
from timesformer.models.classifier import Classifier
from timesformer.video import FrameSelector, TimeSpan
from timesformer.video.frames import span_of
from timesformer.video.remarks import Remark
from timesformer.video.timeline import Indices, Timeline
from timesformer.video.visit import visit_frames, visit_images

MANY = 100  # clips of a video: more than any published protocol of short videos has


class Scored(NamedTuple):
    """One video."""

    row: Tensor  # (K,) scores, or features
    span: TimeSpan
    remarks: tuple[Remark, ...]


class ClipScorer:
    """A visitor that scores the clips of a video in forward batches as they become complete."""

    def __init__(
        self,
        select: FrameSelector,
        crop: CropSampler,
        forward: Callable[[Tensor], Tensor],
        *,
        size: int,
        reverse_channels: bool,
    ) -> None:
        """``forward`` makes rows (n, ...) of ``size`` clips, or of the last ones, which are fewer."""
        self.select, self.forward, self.size = select, forward, size
        self.clips = ForwardClips(crop, self._add, reverse_channels=reverse_channels, one_size=True)

    def begin(self, timeline: Timeline, errors: Sequence[str] = ()) -> Indices:
        self.indices = np.asarray(self.select(timeline))
        self.waiting: list[Tensor] = []  # (3, T, S, S)
        self.rows: list[Tensor] = []
        return self.clips.begin(dict(enumerate(self.indices.tolist())))

    def take(self, place: int, image: np.ndarray) -> None:
        self.clips.take(place, image)

    def finish(self) -> Tensor:
        """Rows (views * crops, ...) of the whole video."""
        if self.waiting:
            self._score(len(self.waiting))
        return torch.cat(self.rows)

    def _add(self, _: int, frames: tuple[Tensor, ...], __: tuple[FrameKey, ...]) -> None:
        self.waiting += torch.cat(frames, dim=2)
        while len(self.waiting) >= self.size:
            self._score(self.size)

    def _score(self, count: int) -> None:
        self.rows.append(self.forward(torch.stack(self.waiting[:count])))
        del self.waiting[:count]


@dataclass(frozen=True)
class ManyViews:
    """Scores videos of a list one by one."""

    view: Views
    reverse_channels: bool
    apply_rotation: bool

    @torch.no_grad()
    def score(self, model: Classifier, scoring: Scoring, videos: VideoList, index: int) -> Scored:
        """The row of video ``index``.

        Raises:
            VideoError: it cannot be read.
            ConfigError: a forward batch does not fit into memory.
        """
        name, segment = videos.name(index), videos.segment(index)
        select, crop = self.view.draw(np.random.default_rng(0))
        visitor = ClipScorer(
            select_within(select, *segment, name=name) if segment else select,
            crop,
            partial(scoring.rows_of, model),
            size=scoring.forward_batch,
            reverse_channels=self.reverse_channels,
        )
        files = videos.files(index)
        if len(files) > 1 or is_image(files[0]):
            visited = visit_images(files, visitor)
        else:
            visited = visit_frames(
                files[0], visitor, multi_thread=True, apply_rotation=self.apply_rotation
            )
        rows = visitor.finish()
        row = rows if scoring.ensemble is None else scoring.ensemble(rows)
        remarks = list(visited.remarks)
        if visited.timeline.promised is not None and not segment:
            shortage = self.view.sampling.shortage(visited.timeline)
            remarks += [shortage] if shortage else []
        return Scored(
            row[0].cpu(),
            span_of(visited.timeline, visitor.indices),
            tuple(remark._replace(name=name) for remark in remarks),
        )


def build_many_views(cfg: CfgNode) -> ManyViews | None:
    """The scorer of a test of more than MANY clips; None where all clips of a video are cut first.

    That is where there are fewer, where each clip is spread over the whole video (SSv2), so that all are
    complete at its end alone, and where PyAV does not decode, or the model does not see frames.
    """
    view = build_view(cfg, "test")
    assert isinstance(view, Views)
    is_read_so = cfg.DATA.DECODING_BACKEND == "pyav" and cfg.DATA.MODALITY == "rgb"
    is_forward = isinstance(view.sampling, DenseSampling) and is_read_so
    if view.num_clips <= MANY or not is_forward:
        return None
    return ManyViews(view, cfg.DATA.REVERSE_INPUT_CHANNEL, cfg.DATA.APPLY_ROTATION)
