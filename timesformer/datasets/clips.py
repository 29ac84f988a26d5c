"""Videos to samples: read a video once, take its clips, and never hide a video that breaks.

Every random draw comes from (seed, epoch, video): a clip is the same on any number of workers and
processes, and in a resumed run.

    clips   (V, 3, T, S, S)   uint8 RGB; V = 1 in training and validation, the views in testing
"""

import contextlib
import faulthandler
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from timesformer import transforms
from timesformer.datasets.lists import VideoList
from timesformer.datasets.samplers import Key
from timesformer.video import Frames, VideoError, read_folder, read_video, sampling
from timesformer.video.reader import Select

GRACE_SECONDS = 2.0  # beyond the time limit: decoding that answers at all gives up by itself
MAX_REPLACEMENTS = 10  # of one clip, before training gives up: the list itself must be wrong

ReadVideo = Callable[..., Frames]  # (path, select, *, multi_thread, time_limit) -> Frames
Spatials = Callable[[int, int], list[transforms.Spatial]]  # (H, W) of the frames -> the crops


class Sample(NamedTuple):
    """The clips of one video; ``clips`` is empty (V = 0) if the video cannot be read."""

    clips: Tensor
    label: int | np.ndarray  # a class, or (K,) float32 multi-hot
    index: int  # of the video in the list
    failures: tuple[str, ...]  # one message for each video that could not be read


class Batch(NamedTuple):
    """Clips (sum of V, 3, T, S, S) of several videos; labels and indices (B,) of the readable ones.

    With several labels a video, labels are (B, K) float32.
    """

    clips: Tensor
    labels: Tensor
    indices: Tensor
    failures: tuple[str, ...]
    failed: Tensor  # indices of the videos without clips


@dataclass(frozen=True)
class DenseSampling:
    """Clips at a frame rate (Kinetics)."""

    shape: sampling.ClipShape

    def random(self, rng: np.random.Generator) -> Select:
        place = sampling.random_place(rng.random())
        return lambda timeline: sampling.clip_indices(timeline, self.shape, place)[None]

    def views(self, num_views: int, placement: str) -> Select:
        places = [sampling.view_place(view, num_views, placement) for view in range(num_views)]
        return lambda timeline: np.stack(
            [sampling.clip_indices(timeline, self.shape, place) for place in places]
        )


@dataclass(frozen=True)
class SegmentSampling:
    """One frame from each of T equal parts of the video (SSv2)."""

    num_frames: int

    def random(self, rng: np.random.Generator) -> Select:
        offsets = rng.random(self.num_frames)
        return lambda timeline: sampling.segment_indices(
            len(timeline.pts), self.num_frames, offsets=offsets
        )[None]

    def views(self, num_views: int, placement: str) -> Select:
        return lambda timeline: np.stack(
            [
                sampling.segment_view_indices(len(timeline.pts), self.num_frames, view, num_views)
                for view in range(num_views)
            ]
        )


@dataclass(frozen=True)
class Train:
    """A random clip and crop; a video that breaks is replaced by another and reported."""

    sampling: DenseSampling | SegmentSampling
    jitter: tuple[int, int]
    crop: int
    flip: bool
    inverse: bool
    replaces: bool = True

    def draw(self, rng: np.random.Generator) -> tuple[Select, Spatials]:
        select = self.sampling.random(rng)
        return select, lambda height, width: [
            transforms.random_spatial(
                height,
                width,
                jitter=self.jitter,
                crop=self.crop,
                flip=self.flip,
                inverse=self.inverse,
                rng=rng,
            )
        ]


@dataclass(frozen=True)
class Views:
    """Fixed temporal views and crops; view = temporal view * len(crops) + crop."""

    sampling: DenseSampling | SegmentSampling
    num_views: int
    placement: str
    short_side: int
    crop: int
    crops: tuple[int, ...]  # 0 start, 1 centre, 2 end of the longer side
    replaces: bool = False

    def draw(self, rng: np.random.Generator) -> tuple[Select, Spatials]:
        select = self.sampling.views(self.num_views, self.placement)
        return select, lambda height, width: [
            transforms.uniform_spatial(
                height, width, short_side=self.short_side, crop=self.crop, index=index
            )
            for index in self.crops
        ]


class ClipDataset(Dataset[Sample]):
    """Samples of a list, keyed by (epoch, index of the video)."""

    def __init__(
        self,
        videos: VideoList,
        view: Train | Views,
        *,
        seed: int,
        read: ReadVideo = read_video,
        reverse_channels: bool = False,
        multi_thread: bool = False,
        time_limit: float = math.inf,
        known_bad: Mapping[int, str] | None = None,
    ) -> None:
        """``known_bad``: why some videos cannot be read, by index; they are not even tried."""
        self.videos = videos
        self.view = view
        self.seed = seed
        self.read = read
        self.reverse_channels = reverse_channels
        self.multi_thread = multi_thread
        self.time_limit = time_limit  # seconds for one video
        self.known_bad = dict(known_bad or {})  # a loader adds videos that end its processes
        self.usable = np.setdiff1d(np.arange(len(videos.labels)), list(self.known_bad))
        self.slot: Tensor | None = None  # (process id, index being read), in a loader process

    def __len__(self) -> int:
        return len(self.videos.labels)

    def __getitem__(self, key: Key) -> Sample:
        """The sample of video ``index`` in ``epoch``; a repeat of it has draws of its own.

        Raises:
            VideoError: in training, a video and all its replacements cannot be read.
        """
        epoch, index, *repeat = key
        rng = np.random.default_rng([self.seed, epoch, index, *repeat])
        failures: list[str] = []
        while True:
            try:
                clips = self._clips(index, rng)
                break
            except VideoError as error:
                failures.append(str(error))
            if not self.view.replaces:
                clips = torch.empty(0, dtype=torch.uint8)
                break
            if len(failures) > MAX_REPLACEMENTS:
                raise VideoError(
                    f"{len(failures)} videos in a row of {self.videos.origin} cannot be read; the "
                    f"last: {failures[-1]}"
                )
            index = int(self.usable[rng.integers(len(self.usable))])
        label = self.videos.labels[index]
        return Sample(clips, label if label.ndim else int(label), index, tuple(failures))

    def _clips(self, index: int, rng: np.random.Generator) -> Tensor:
        if index in self.known_bad:
            raise VideoError(self.known_bad[index])
        select, spatials = self.view.draw(rng)
        if segment := self.videos.segment(index):
            select = within(select, *segment, name=self.videos.name(index))
        read = partial(self.read, time_limit=self.time_limit)
        with self._watched(index):
            files = self.videos.files(index)
            frames = read_files(files, select, read=read, multi_thread=self.multi_thread)
            return cut_clips(frames, spatials, reverse_channels=self.reverse_channels)

    @contextlib.contextmanager
    def _watched(self, index: int) -> Iterator[None]:
        """In a loader process: note what is read, and end the process if it hangs in native code."""
        if self.slot is None:
            yield
            return
        self.slot[1] = index
        if math.isfinite(self.time_limit):
            limit = self.time_limit + GRACE_SECONDS
            with open(os.devnull, "w") as nowhere:
                faulthandler.dump_traceback_later(limit, exit=True, file=nowhere)
                try:
                    yield
                finally:
                    faulthandler.cancel_dump_traceback_later()
        else:
            yield
        self.slot[1] = -1


def within(select: Select, start: float, end: float, *, name: str) -> Select:
    """``select`` on the part [``start``, ``end``) seconds of the video ``name``.

    Raises, when called:
        VideoError: the video has no frame there.
    """

    def select_part(timeline: sampling.Timeline) -> np.ndarray:
        part, first = sampling.cut(timeline, start, end)
        if not len(part.pts):
            raise VideoError(
                f"{name}: no frame from {start:g} to {end:g} seconds; correct the times in the list"
            )
        return select(part) + first

    return select_part


def read_files(
    files: Sequence[str], select: Select, *, read: ReadVideo, multi_thread: bool
) -> Frames:
    """Frames of a video file, or of the image files of one video."""
    if len(files) > 1:
        return read_folder(files, select)
    return read(files[0], select, multi_thread=multi_thread)


def cut_clips(frames: Frames, spatials: Spatials, *, reverse_channels: bool) -> Tensor:
    """Every crop of every temporal view, (views * crops, 3, T, S, S) uint8.

    Raises:
        VideoError: the frames are so small or narrow that the crop does not fit.
    """
    height, width = frames.images.shape[1:3]
    if min(height, width) < 2:
        raise VideoError(f"frames of {height} x {width} pixels; remove the video from the list")
    crops = spatials(height, width)
    scaled = {
        side: transforms.scale(frames.images, side) for side in {crop.short_side for crop in crops}
    }
    clips = [
        transforms.cut(scaled[crop.short_side][view], crop)
        for view in frames.index
        for crop in crops
    ]
    stacked = torch.stack(clips)
    return stacked.flip(1) if reverse_channels else stacked


def collate(samples: list[Sample]) -> Batch:
    """Samples to one batch; those without clips only leave their failures and index."""
    readable = [sample for sample in samples if len(sample.clips)]
    unreadable = [sample.index for sample in samples if not len(sample.clips)]
    clips = [sample.clips for sample in readable]
    return Batch(
        clips=torch.cat(clips) if clips else torch.empty(0, dtype=torch.uint8),
        labels=torch.from_numpy(np.array([sample.label for sample in readable])),
        indices=torch.tensor([sample.index for sample in readable], dtype=torch.int64),
        failures=tuple(message for sample in samples for message in sample.failures),
        failed=torch.tensor(unreadable, dtype=torch.int64),
    )
