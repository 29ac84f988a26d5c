"""Videos to samples: read a video once, take its clips, and never hide a video that breaks.

Every random draw comes from (seed, epoch, video): a clip is the same on any number of workers and
processes, and in a resumed run.

    clips   (V, 3, T, S, S)   uint8 RGB; V = 1 in validation, the repeats (of one decode) in training,
                              the views in testing
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from timesformer import transforms
from timesformer.augment import Augment, unchanged
from timesformer.datasets.lists import VideoList
from timesformer.video import Frames, VideoError, read_folder, read_video, sampling
from timesformer.video.reader import Select

MAX_REPLACEMENTS = 10  # of one clip, before training gives up: the list itself must be wrong

ReadVideo = Callable[..., Frames]  # (path, select, *, multi_thread) -> Frames
Spatials = Callable[[int, int], list[transforms.Spatial]]  # (H, W) -> crops of one temporal view
Crops = list[list[transforms.Spatial]]  # of each temporal view


class Sample(NamedTuple):
    """The clips of one video; ``clips`` is empty (V = 0) if the video cannot be read.

    ``labels`` has one label for each clip of training, where a flip may change it, and one label for
    all views of an evaluated video.
    """

    clips: Tensor
    labels: Tensor
    index: int  # of the video in the list
    failures: tuple[str, ...]  # one message for each video that could not be read


class Batch(NamedTuple):
    """Clips (sum of V, 3, T, S, S) of several videos; labels and indices (B,) of the readable ones.

    B counts clips in training and videos in evaluation.
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
    """Random clips, each with a crop; a video that breaks is replaced by another and reported."""

    sampling: DenseSampling | SegmentSampling
    jitter: tuple[int, int]
    crop: int
    flip: bool
    inverse: bool
    replaces: bool = True
    num_repeats: int = 1
    one_label = False

    def draw(self, rng: np.random.Generator) -> tuple[Select, Spatials]:
        selects = [self.sampling.random(rng) for _ in range(self.num_repeats)]

        def select(timeline: sampling.Timeline) -> np.ndarray:
            return np.concatenate([one(timeline) for one in selects])

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
    one_label = True

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
        augment: Augment = unchanged,
        opposite: np.ndarray | None = None,
    ) -> None:
        self.videos = videos
        self.view = view
        self.seed = seed
        self.read = read
        self.reverse_channels = reverse_channels
        self.multi_thread = multi_thread
        self.augment = augment
        self.opposite = opposite  # (K,) label of a flipped clip, see flip_map

    def __len__(self) -> int:
        return len(self.videos.labels)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """The sample of video ``index`` in ``epoch``.

        Raises:
            VideoError: in training, a video and all its replacements cannot be read.
        """
        epoch, index = key
        rng = np.random.default_rng([self.seed, epoch, index])
        failures: list[str] = []
        while True:
            try:
                clips, crops = self._clips(index, rng)
                break
            except VideoError as error:
                failures.append(str(error))
            if not self.view.replaces:
                clips, crops = torch.empty(0, dtype=torch.uint8), []
                break
            if len(failures) > MAX_REPLACEMENTS:
                raise VideoError(
                    f"{len(failures)} videos in a row of {self.videos.origin} cannot be read; the "
                    f"last: {failures[-1]}"
                )
            index = int(rng.integers(len(self)))
        return Sample(clips, self._labels(index, crops), index, tuple(failures))

    def _labels(self, index: int, crops: Crops) -> Tensor:
        """(1,) of an evaluated video, (V,) of training clips."""
        label = int(self.videos.labels[index])
        if self.view.one_label:
            return torch.tensor([label])
        opposite = label if self.opposite is None else int(self.opposite[label])
        return torch.tensor([opposite if crop.flip else label for view in crops for crop in view])

    def _clips(self, index: int, rng: np.random.Generator) -> tuple[Tensor, Crops]:
        select, spatials = self.view.draw(rng)
        files = self.videos.files(index)
        frames = read_files(files, select, read=self.read, multi_thread=self.multi_thread)
        crops = place_crops(frames, spatials)
        clips = cut_clips(
            frames,
            crops,
            reverse_channels=self.reverse_channels,
            augment=lambda clip: self.augment(clip, rng),
        )
        return clips, crops


def read_files(
    files: Sequence[str], select: Select, *, read: ReadVideo, multi_thread: bool
) -> Frames:
    """Frames of a video file, or of the image files of one video."""
    if len(files) > 1:
        return read_folder(files, select)
    return read(files[0], select, multi_thread=multi_thread)


def place_crops(frames: Frames, spatials: Spatials) -> Crops:
    """The crops of each temporal view.

    Raises:
        VideoError: the frames have no area.
    """
    height, width = frames.images.shape[1:3]
    if min(height, width) < 2:
        raise VideoError(f"frames of {height} x {width} pixels; remove the video from the list")
    return [spatials(height, width) for _ in frames.index]


def cut_clips(
    frames: Frames,
    crops: Crops,
    *,
    reverse_channels: bool,
    augment: Callable[[Tensor], Tensor] = lambda clip: clip,
) -> Tensor:
    """Every crop of every temporal view, augmented as RGB, (views * crops, 3, T, S, S) uint8."""

    @functools.cache
    def scaled(image: int, short_side: int) -> np.ndarray:
        images: np.ndarray = transforms.scale(frames.images[image : image + 1], short_side)
        return images.squeeze(0)

    clips = []
    for view, places in zip(frames.index, crops, strict=True):
        for crop in places:
            images = np.stack([scaled(image, crop.short_side) for image in view.tolist()])
            clips.append(augment(transforms.cut(images, crop)))
    stacked = torch.stack(clips)
    return stacked.flip(1) if reverse_channels else stacked


def collate(samples: list[Sample]) -> Batch:
    """Samples to one batch; those without clips only leave their failures and index."""
    readable = [sample for sample in samples if len(sample.clips)]
    unreadable = [sample.index for sample in samples if not len(sample.clips)]
    clips = [sample.clips for sample in readable]
    return Batch(
        clips=torch.cat(clips) if clips else torch.empty(0, dtype=torch.uint8),
        labels=torch.cat([sample.labels for sample in readable] or [torch.empty(0).long()]),
        indices=torch.tensor(
            [sample.index for sample in readable for _ in sample.labels], dtype=torch.int64
        ),
        failures=tuple(message for sample in samples for message in sample.failures),
        failed=torch.tensor(unreadable, dtype=torch.int64),
    )
