"""Videos to samples: read each video once, cut its clips, and report every unreadable video.

Every random draw comes from (seed, epoch, video): a clip is the same on any number of workers and
processes, and in a resumed run.

    clips   (V, 3, T, S, S)   uint8 RGB; V = 1 in validation, the repeats (of one decode) in training,
                              the views in testing; of flow 2 L channels instead of 3, see ``flow_clips``
"""

import contextlib
import functools
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from timesformer.datasets import views
from timesformer.datasets.augment import Augment, unchanged
from timesformer.datasets.folders import is_image
from timesformer.datasets.lists import VideoList, source_files
from timesformer.datasets.modality import OF_RGB, Modality
from timesformer.datasets.resource_limits import open_files_error
from timesformer.datasets.samplers import Key
from timesformer.datasets.transforms import Crops, sample_crops
from timesformer.datasets.views import Train, Views
from timesformer.io.terminal import printable
from timesformer.io.timelimit import TimeLimitError, call_with_timeout
from timesformer.video import (
    Frames,
    FrameSelector,
    TimeSpan,
    VideoError,
    read_folder,
    read_video,
)
from timesformer.video.remarks import Remark

GRACE_SECONDS = 2.0  # beyond the time limit, at which a decoder that is alive stops by itself
MAX_REPLACEMENTS = 10  # of one clip; after more the list itself must be wrong

ReadVideo = Callable[..., Frames]  # (path, select, *, multi_thread, time_limit) -> Frames
ReadFrames = Callable[[FrameSelector], Frames]  # of one video
Watch = Callable[[int], AbstractContextManager[None]]  # index of the video that is read


class Sample(NamedTuple):
    """The clips of one video; ``clips`` is empty (V = 0) if the video cannot be read.

    ``labels`` has one label for each clip of training, where a flip may change it, and one label for
    all views of an evaluated video.
    """

    clips: Tensor
    labels: Tensor  # (rows,) int64 classes, or (rows, K) float32 multi-hot
    index: int  # type: ignore[assignment]  # of the video in the list
    failures: tuple[str, ...] = ()  # one message for each video that could not be read
    remarks: tuple[Remark, ...] = ()  # what is unusual about the video, though it can be read
    fallback: str = ""  # why the configured device did not decode it
    spans: tuple[TimeSpan, ...] = ()  # the seconds that its clips show, of each placement of them


class Batch(NamedTuple):
    """Clips (sum of V, 3, T, S, S) of several videos; labels and indices (B,) of the readable ones.

    B counts clips in training and videos in evaluation. With several labels a video, labels are
    (B, K) float32.
    """

    clips: Tensor
    labels: Tensor
    indices: Tensor
    failures: tuple[str, ...]
    failed: Tensor  # indices of the videos without clips
    remarks: tuple[Remark, ...] = ()  # of all its videos
    fallbacks: tuple[str, ...] = ()  # one for each that the configured device did not decode
    spans: tuple[TimeSpan | None, ...] = ()  # of the readable videos
    other_spans: tuple[tuple[TimeSpan, ...], ...] = ()  # of further placements, if there are any


class ClipDataset(Dataset[Sample]):
    """Samples of a list, keyed by (epoch, index of the video)."""

    def __init__(
        self,
        videos: VideoList,
        view: Train | Views,
        *,
        seed: int,
        read: ReadVideo = read_video,
        modality: Modality = OF_RGB,
        reverse_channels: bool = False,
        multi_thread: bool = False,
        time_limit: float = math.inf,
        known_bad: Mapping[int, str] | None = None,
        augment: Augment = unchanged,
        opposite: np.ndarray | None = None,
    ) -> None:
        """``known_bad``: why some videos cannot be read, by index; they are not even tried."""
        self.videos = videos
        self.view = view
        self.seed = seed
        self.read = read
        self.modality = modality
        self.reverse_channels = reverse_channels
        self.multi_thread = multi_thread
        self.time_limit = time_limit  # seconds for one video
        self.known_bad = dict(known_bad or {})  # a loader adds videos that end its processes
        self.usable = np.setdiff1d(np.arange(len(videos.labels)), list(self.known_bad))
        self.watch: Watch | None = None  # over what is read, in a loader process
        self.augment = augment
        self.opposite = opposite  # (K,) label of a flipped clip, see flip_map

    def __len__(self) -> int:
        return len(self.videos.labels)

    def __getitem__(self, key: Key) -> Sample:
        """The sample of video ``index`` in ``epoch``; a repeat of it has draws of its own.

        Raises:
            VideoError: in training, a video and all its replacements cannot be read.
            LoaderError: no more files may be opened.
        """
        epoch, index, *repeat = key
        rng = np.random.default_rng([self.seed, epoch, index, *repeat])
        failures: list[str] = []
        while True:
            try:
                return self._sample(index, rng)._replace(failures=tuple(failures))
            except VideoError as error:
                if limit_error := open_files_error(error):
                    raise limit_error from error
                failures.append(str(error))
            if not self.view.replaces:
                nothing = torch.empty(0, dtype=torch.uint8)
                return Sample(nothing, self._labels(index, []), index, tuple(failures))
            if len(failures) > MAX_REPLACEMENTS:
                count, origin = len(failures), self.videos.origin
                raise VideoError(
                    f"{count} videos in a row of {origin} cannot be read; {failures[-1]}"
                )
            index = int(self.usable[rng.integers(len(self.usable))])

    def _labels(self, index: int, crops: Crops) -> Tensor:
        """One row of an evaluated or unreadable video, one for each clip (V) of training."""
        label = self.videos.labels[index]
        if self.view.label_per_video:
            return torch.from_numpy(np.stack([label]))
        flipped = label
        if self.opposite is not None:
            flipped = label[self.opposite] if label.ndim else self.opposite[label]
        rows = [flipped if crop.flip else label for view in crops for crop in view]
        return torch.from_numpy(np.stack(rows or [label]))

    def _sample(self, index: int, rng: np.random.Generator) -> Sample:
        """The sample of a video that can be read; else a VideoError."""
        if index in self.known_bad:
            raise VideoError(self.known_bad[index])
        with self.watch(index) if self.watch else contextlib.nullcontext():
            clips, crops, frames = cut_video(
                functools.partial(self._frames, index),
                self.view,
                rng,
                modality=self.modality,
                reverse_channels=self.reverse_channels,
                augment=self.augment,
            )
        return Sample(
            clips,
            self._labels(index, crops),
            index,
            remarks=self._remarks(index, frames),
            fallback=frames.fallback,
            spans=tuple(frames.span_of(rows) for rows in self.view.rows),
        )

    def _remarks(self, index: int, frames: Frames) -> tuple[Remark, ...]:
        """Those of the reader, and missing frames; the length of a part is what its list says."""
        found, name = list(frames.remarks), self.videos.name(index)
        # None of a folder of frames, whose list is all that says how many there are to be.
        if frames.timeline.promised is not None and not self.videos.segment(index):
            shortage = self.view.sampling.shortage(frames.timeline)
            found += [shortage] if shortage else []
        return tuple(remark._replace(name=name) for remark in found)

    def _frames(self, index: int, select: FrameSelector) -> Frames:
        """The chosen frames; where no process watches, a thread limits the time."""
        if segment := self.videos.segment(index):
            select = views.select_within(select, *segment, name=self.videos.name(index))

        source = self.videos.sources[index]
        frames = functools.partial(
            read_source,
            source,
            read=self.read,
            multi_thread=self.multi_thread,
            time_limit=self.time_limit,
        )
        read = functools.partial(self.modality.reader(frames, source), select)
        if self.watch or not math.isfinite(self.time_limit):
            return read()
        return read_with_timeout(self.time_limit, read, name=self.videos.name(index))


def read_with_timeout(seconds: float, read: Callable[[], Frames], *, name: str) -> Frames:
    """``read()``, given up after a time limit.

    Raises:
        VideoError: it did not answer within ``seconds``, and a grace; or its own.
    """
    try:
        return call_with_timeout(seconds + GRACE_SECONDS, read, what=name)
    except TimeLimitError as error:
        raise VideoError(
            f"{printable(name)}: did not answer within {seconds:g} seconds; re-encode it or remove it "
            "from the list"
        ) from error


class CutVideo(NamedTuple):
    """The clips (V, 3, T, S, S) uint8 of one video, and what they were cut from."""

    clips: Tensor
    crops: Crops
    frames: Frames


def cut_video(
    read: ReadFrames,
    view: Train | Views,
    rng: np.random.Generator,
    *,
    modality: Modality = OF_RGB,
    reverse_channels: bool = False,
    augment: Augment = unchanged,
) -> CutVideo:
    """Read what ``view`` draws from ``rng``, by a reader of ``modality``, and cut its clips."""
    select, sampler = view.draw(rng)
    frames = read(modality.select(select))
    crops = sample_crops(frames, sampler)
    clips = modality.cut(
        frames,
        crops,
        reverse_channels=reverse_channels,
        augment=lambda clip: augment(clip, rng),
    )
    return CutVideo(clips, crops, frames)


def read_source(
    source: str, select: FrameSelector, *, read: ReadVideo, multi_thread: bool, time_limit: float
) -> Frames:
    """Frames of a source of a list: of a video file, or of image files, be they many or one."""
    files = source_files(source)
    if len(files) > 1 or is_image(files[0]):
        return read_folder(files, select)
    return read(files[0], select, multi_thread=multi_thread, time_limit=time_limit)


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
        remarks=tuple(remark for sample in samples for remark in sample.remarks),
        fallbacks=tuple(sample.fallback for sample in samples if sample.fallback),
        spans=tuple(sample.spans[0] if sample.spans else None for sample in readable),
        other_spans=tuple(sample.spans[1:] for sample in readable),
    )
